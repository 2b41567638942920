import Checkpoints
import Foundation
import Kernels
import Models
import Neurons
import TestSupport
import Testing
import Tokenization

@testable import Exporting

/// `neft export`: a tuned tiny model in every format, read back by other means than the command's own check.
@Suite(.serialized)
struct ExportTests {
    /// A sandbox with a model, and runs that trained it.
    private static func makeSandbox(
        methods: [String] = ["neft"], family: String = "llama"
    ) async throws -> Sandbox {
        let sandbox = try Sandbox(family: family)
        let rows = (0..<6).map { #"{"prompt": "number \#($0)", "completion": "ab ab"}"# }
        try sandbox.write("train.jsonl", rows.joined(separator: "\n") + "\n")
        for method in methods {
            let outcome = try await sandbox.neft(
                [
                    "train", "-m", "model", "-d", "train.jsonl", "-o", method, "--method", method, "--threads", "1",
                    "--compute", "fp32", "--learning-rate", "1e-2", "--max-steps", "3",
                ] + (method == "lora" ? ["--lora-rank", "2"] : []))
            try #require(outcome.exitCode == 0, "\(outcome)")
        }
        return sandbox
    }

    private func export(
        _ sandbox: Sandbox, _ format: String, to output: String, model: String = "model", adapter: String?,
        _ more: String...
    ) async throws -> [String: Any] {
        let adapter = adapter.map { ["--adapter", $0] } ?? []
        let outcome = try await sandbox.neft(
            ["export", "-m", model, "--format", format, "-o", output, "--threads", "1", "--json"] + adapter + more)
        try #require(outcome.exitCode == 0, "\(outcome)")
        #expect(!outcome.stderr.contains("warning"), "\(outcome)")
        return try #require(try JSONSerialization.jsonObject(with: Data(outcome.stdout.utf8)) as? [String: Any])
    }

    private func load(_ sandbox: Sandbox, _ name: String) throws -> Decoder {
        try Decoder.load(ModelFiles.open(sandbox.path(name)), team: WorkerTeam(threads: 1))
    }

    /// The tuned model, put together here.
    private func tuned(_ sandbox: Sandbox, _ method: String) throws -> Decoder {
        if method == "full" || method == "linear" { return try load(sandbox, "\(method)/final") }
        let model = try load(sandbox, "model")
        let hash = BaseHash.compute(
            configuration: model.canonicalConfiguration, tensors: model.parameters.map(\.tensor))
        if method == "lora" {
            try LowRankAdapterFiles.attach(sandbox.path("lora/final"), to: model) { hash }
        } else {
            try RowAdapter.apply(sandbox.path("neft/final"), to: model, baseHash: hash)
        }
        return model
    }

    private func difference(_ a: Decoder, _ b: Decoder) -> ExportCheck.Difference {
        let prompts: [[Int32]] = [[256, 117, 10, 97, 257], Array("some text 12".utf8).map { Int32($0) }]
        return ExportCheck(a, prompts: prompts).difference(from: b)
    }

    @Test(arguments: ["neft", "linear", "full", "lora"])
    func modelsOfEveryMethod(method: String) async throws {
        let sandbox = try await Self.makeSandbox(methods: [method])
        let final = "\(method)/final"
        let tuned = try tuned(sandbox, method)
        #expect(difference(tuned, try load(sandbox, "model")).relative > 1e-3, "training changed nothing")
        // LoRA's product is added to the weights first: another order of sums.
        let limit = method == "lora" ? 1e-6 : 0

        let hf = try await export(sandbox, "hf", to: "hf", adapter: final)
        #expect(
            hf["files"] as? [String] == [
                "config.json", "model.safetensors", "tokenizer.json", "tokenizer_config.json",
            ])
        #expect(hf["type"] as? String == "f32" && hf["format"] as? String == "hf")
        #expect(try difference(tuned, load(sandbox, "hf")).relative <= limit)
        for name in ["tokenizer.json", "tokenizer_config.json"] {
            #expect(try sandbox.read("hf/\(name)") == sandbox.read("model/\(name)"))
        }

        let gguf = try await export(sandbox, "gguf", to: "gguf", adapter: final)
        #expect(gguf["files"] as? [String] == ["Modelfile", "model.gguf"])
        #expect(try difference(tuned, load(sandbox, "gguf/model.gguf")).relative <= limit)
        #expect((gguf["relativeDifference"] as? Double ?? .infinity) <= limit)
        #expect((gguf["comparedLogits"] as? Int ?? 0) > 16 * 258)
        let modelfile = String(decoding: try sandbox.read("gguf/Modelfile"), as: UTF8.self)
        #expect(modelfile.hasPrefix("FROM ./model.gguf\nTEMPLATE ") && modelfile.contains(#"stop "<|im_end|>""#))
        #expect(!sandbox.content.contains { $0.contains(".writing-") })
    }

    @Test func typesAndTheirErrors() async throws {
        let sandbox = try await Self.makeSandbox()
        let tuned = try tuned(sandbox, "neft")
        for (type, most) in [("f16", 0.002), ("bf16", 0.02), ("q8_0", 0.03)] {
            let result = try await export(
                sandbox, "gguf", to: "gguf-\(type)", adapter: "neft/final", "--type", type)
            let own = try difference(tuned, load(sandbox, "gguf-\(type)/model.gguf")).relative
            #expect(own > 0 && own < most, "\(type): \(own)")
            #expect((result["relativeDifference"] as? Double ?? 0) > 0)
            guard type != "q8_0" else { continue }
            _ = try await export(sandbox, "hf", to: "hf-\(type)", adapter: "neft/final", "--type", type)
            let hf = try difference(tuned, load(sandbox, "hf-\(type)")).relative
            #expect(hf > 0 && hf < most, "\(type): \(hf)")
        }
        let file = try GGUFFile(path: sandbox.path("gguf-q8_0/model.gguf"))
        #expect(file.metadata["general.quantization_version"]?.integer == 2)
        #expect(file.entries["blk.1.ffn_down.weight"]?.type == GGUFElement.q8_0.rawValue)
    }

    /// The keys that llama.cpp does not load without, or computes other things.
    @Test func ggufHoldsWhatLlamaNeeds() async throws {
        let sandbox = try await Self.makeSandbox()
        _ = try await export(sandbox, "gguf", to: "gguf", adapter: "neft/final")
        let file = try GGUFFile(path: sandbox.path("gguf/model.gguf"))
        let numbers = [
            "block_count": 2, "context_length": 256, "embedding_length": 32, "feed_forward_length": 64,
            "attention.head_count": 4, "attention.head_count_kv": 2, "rope.freq_base": 10000, "vocab_size": 258,
            "rope.dimension_count": 8,
        ]
        for (key, value) in numbers { #expect(file.metadata["llama.\(key)"]?.number == Double(value), "\(key)") }
        #expect(file.metadata["llama.attention.layer_norm_rms_epsilon"]?.number == Double(Float(1e-5)))
        #expect(file.metadata["general.architecture"]?.text == "llama")
        #expect(file.metadata["general.name"]?.text == "model")
        #expect(file.metadata["tokenizer.ggml.model"]?.text == "gpt2")
        #expect(file.metadata["tokenizer.ggml.pre"]?.text == "gpt-2")
        #expect(file.metadata["tokenizer.ggml.tokens"]?.elements?.count == 258)
        #expect(file.metadata["tokenizer.ggml.token_type"]?.elements?.suffix(3).map(\.integer) == [1, 3, 3])
        #expect(file.metadata["tokenizer.ggml.merges"]?.elements?.isEmpty == true)
        #expect(file.metadata["tokenizer.ggml.eos_token_id"]?.integer == 257)
        #expect(file.metadata["tokenizer.ggml.add_bos_token"]?.flag == false)
        #expect(file.metadata["tokenizer.chat_template"]?.text?.contains("<|im_start|>") == true)
        #expect(file.entries["output.weight"] == nil, "the head is the embedding")
    }

    /// The same adapter on the GGUF form of its model: equal hashes, every key kept, the tokenizer written anew.
    @Test func fromAGGUFSource() async throws {
        let sandbox = try await Self.makeSandbox()
        let tuned = try tuned(sandbox, "neft")
        _ = try await export(sandbox, "gguf", to: "base", adapter: nil)
        _ = try await export(sandbox, "gguf", to: "gguf", model: "base/model.gguf", adapter: "neft/final")
        #expect(try difference(tuned, load(sandbox, "gguf/model.gguf")).largest == 0)
        let (before, after) = (
            try GGUFFile(path: sandbox.path("base/model.gguf")), try GGUFFile(path: sandbox.path("gguf/model.gguf"))
        )
        #expect(before.metadata == after.metadata)

        let hf = try await export(sandbox, "hf", to: "hf", model: "base/model.gguf", adapter: "neft/final")
        #expect(
            hf["files"] as? [String] == [
                "chat_template.jinja", "config.json", "generation_config.json", "model.safetensors", "tokenizer.json",
                "tokenizer_config.json",
            ])
        #expect(try difference(tuned, load(sandbox, "hf")).largest == 0)
        let (own, original) = (
            try Tokenizer(directory: sandbox.path("hf")), try Tokenizer(directory: sandbox.path("model"))
        )
        for text in ["  a 12é\n", "<|im_start|>user\nx<|im_end|>"] {
            #expect(own.encode(text) == original.encode(text))
        }
        let config = try ConfigurationFile(path: sandbox.path("hf/config.json"))
        #expect(try config.integer("eos_token_id") == 257 && config.number("rms_norm_eps") == 1e-5)
        #expect(try config.number("rope_theta") == 10_000)
        #expect(try config.object("rope_parameters")?.number("rope_theta") == 10_000)
        #expect(try config.text("dtype") == "float32" && config.text("torch_dtype") == "float32")
        let outcome = try await sandbox.neft(
            [
                "train", "-m", "base/model.gguf", "-d", "train.jsonl", "-o", "run", "--method", "linear", "--max-steps",
                "1",
            ])
        #expect(outcome.exitCode == 0 && sandbox.exists("run/final/tokenizer.json"), "\(outcome)")
    }

    @Test(arguments: ["neft", "lora"])
    func adapters(method: String) async throws {
        let sandbox = try await Self.makeSandbox(methods: [method])
        let (final, tuned) = ("\(method)/final", try tuned(sandbox, method))
        let base = try load(sandbox, "model")

        let gguf = try await export(sandbox, "gguf-adapter", to: "gguf", adapter: final)
        #expect(gguf["files"] as? [String] == ["adapter.gguf"])
        try GGUFAdapter.apply(
            sandbox.path("gguf/adapter.gguf"), to: base, files: try ModelFiles.open(sandbox.path("model")))
        #expect(difference(tuned, base).relative < 1e-6)

        let forms = method == "neft" ? [["--peft-form", "rows"], ["--peft-form", "lora"], []] : [[]]
        var answers: [String] = []
        for (number, form) in forms.enumerated() {
            let outcome = try await sandbox.neft(
                ["export", "-m", "model", "--adapter", final, "--format", "peft", "-o", "peft\(number)"] + form)
            #expect(outcome.exitCode == 0, "\(outcome)")
            #expect(outcome.stdout.contains("adapter_config.json, adapter_model.safetensors"), "\(outcome)")
            // What is written is an adapter for neft, too.
            let generated = try await sandbox.neft(
                [
                    "generate", "-m", "model", "--adapter", "peft\(number)", "--prompt", "number 3", "--max-new-tokens",
                    "12",
                ])
            #expect(generated.exitCode == 0, "\(generated)")
            answers.append(generated.stdout)
        }
        let direct = try await sandbox.neft(
            ["generate", "-m", "model", "--adapter", final, "--prompt", "number 3", "--max-new-tokens", "12"])
        #expect(answers.allSatisfy { $0 == direct.stdout && !$0.isEmpty }, "\(answers)")
        if method == "lora" {
            #expect(
                try sandbox.read("peft0/adapter_model.safetensors")
                    == sandbox.read("\(final)/adapter_model.safetensors"))
        }
    }

    /// Biases and norms of heads go everywhere but into llama.cpp's adapters, which have no place for biases.
    @Test(arguments: ["mistral", "qwen2", "qwen3"])
    func otherFamilies(family: String) async throws {
        let sandbox = try await Self.makeSandbox(family: family)
        let tuned = try tuned(sandbox, "neft")
        _ = try await export(sandbox, "hf", to: "hf", adapter: "neft/final")
        #expect(try difference(tuned, load(sandbox, "hf")).largest == 0)
        _ = try await export(sandbox, "gguf", to: "gguf", adapter: "neft/final")
        #expect(try difference(tuned, load(sandbox, "gguf/model.gguf")).largest == 0)
        let name = try GGUFFile(path: sandbox.path("gguf/model.gguf")).metadata["general.architecture"]?.text
        #expect(name == (family == "mistral" ? "llama" : family))
        _ = try await export(sandbox, "hf", to: "back", model: "gguf/model.gguf", adapter: nil)
        #expect(try difference(tuned, load(sandbox, "back")).largest == 0)
        let peft = try await export(sandbox, "peft", to: "peft", adapter: "neft/final")
        #expect((peft["relativeDifference"] as? Double ?? .infinity) <= (family == "qwen2" ? 1e-6 : 0))

        let adapter = ["export", "-m", "model", "--adapter", "neft/final", "-o", "adapter", "--format"]
        let outcome = try await sandbox.neft(adapter + ["gguf-adapter"])
        if family == "qwen2" {
            #expect(outcome.exitCode == 2 && outcome.stderr.contains("trained biases"), "\(outcome)")
            let rows = try await sandbox.neft(adapter + ["peft", "--peft-form", "rows"])
            #expect(rows.exitCode == 2 && rows.stderr.contains("--peft-form lora"), "\(rows)")
            #expect(!sandbox.exists("adapter"))
        } else {
            #expect(outcome.exitCode == 0, "\(outcome)")
        }
    }

    /// A GGUF adapter belongs to a GGUF model, by which Ollama takes both up.
    @Test func adapterOfAGGUFSource() async throws {
        let sandbox = try await Self.makeSandbox()
        _ = try await export(sandbox, "gguf", to: "base", adapter: nil)
        let result = try await export(
            sandbox, "gguf-adapter", to: "out", model: "base/model.gguf", adapter: "neft/final")
        #expect(result["files"] as? [String] == ["Modelfile", "adapter.gguf"])
        let modelfile = String(decoding: try sandbox.read("out/Modelfile"), as: UTF8.self)
        #expect(modelfile.hasPrefix("FROM /") && modelfile.contains("base/model.gguf\nADAPTER ./adapter.gguf\n"))
    }

    @Test func whatDoesNotSurviveIsAnErrorAndLeavesNothing() async throws {
        let sandbox = try await Self.makeSandbox()
        // A weight beyond half precision; a million times the others in an embedding that no prompt needs would not show.
        var writer = SafetensorsWriter(metadata: ["format": "pt"])
        let model = try load(sandbox, "model")
        model.parameters[3].tensor.pointer[0] = 1e6
        for tensor in model.parameters.map(\.tensor) {
            writer.add(tensor.name, floats: tensor.values, shape: tensor.shape)
        }
        try sandbox.makeModel("large")
        try writer.write(to: sandbox.path("large/model.safetensors"))
        let before = sandbox.content
        for format in ["hf", "gguf"] {
            let outcome = try await sandbox.neft(
                ["export", "-m", "large", "--format", format, "--type", "f16", "-o", "deep/out"])
            #expect(outcome.exitCode == 2, "\(outcome)")
            #expect(outcome.stderr.contains("the value 1000000.0, which F16 has no number for"), "\(outcome)")
            #expect(sandbox.content == before)
        }
    }

    @Test func badInput() async throws {
        let sandbox = try await Self.makeSandbox(methods: ["neft", "full", "lora"])
        try sandbox.makeModel("other", seed: 2)
        try FileManager.default.createDirectory(atPath: sandbox.path("taken"), withIntermediateDirectories: false)
        try sandbox.write("taken/file", "x")
        let neft = ["--adapter", "neft/final"]
        let refusals: [([String], String)] = [
            (["-m", "other", "--format", "hf"] + neft, "adapter of another model"),
            (["-m", "other", "--format", "peft"] + neft, "adapter of another model"),
            (["-m", "model", "--format", "hf", "--adapter", "nowhere"], "nowhere: no such file or folder"),
            (["-m", "model", "--format", "peft"], "name it with --adapter"),
            (["-m", "model", "--format", "peft", "--adapter", "full/final"], "a whole model; expected an adapter"),
            (["-m", "model", "--format", "gguf-adapter", "--adapter", "full/final"], "a whole model"),
            (["-m", "model", "--format", "gguf-adapter", "--type", "f16"] + neft, "adapters are f32"),
            (["-m", "model", "--format", "hf", "--type", "q8_0"] + neft, "choose f32, f16 or bf16"),
            (["-m", "model", "--format", "gguf", "--type", "q4_0"] + neft, "q4_0"),
            (["-m", "model", "--format", "onnx"] + neft, "onnx"),
            (["-m", "model"] + neft, "--format"),
            (["-m", "model", "--format", "gguf", "--peft-form", "lora"] + neft, "--peft-form is for --format peft"),
            (["-m", "model", "--format", "peft", "--peft-form", "lora", "--adapter", "lora/final"], "leave it out"),
            (["-m", "model", "--format", "hf", "--compute", "bf16"] + neft, "--compute bf16"),
        ]
        let before = sandbox.content
        for (arguments, says) in refusals {
            let outcome = try await sandbox.neft(["export", "-o", "out"] + arguments)
            #expect(outcome.exitCode == 2 && outcome.stderr.contains(says), "\(arguments): \(outcome)")
            #expect(sandbox.content == before, "\(arguments)")
        }
        for (output, says) in [
            ("taken", "not empty"), ("train.jsonl", "a file is there"),
            ("e1/model.gguf", "e1/model.gguf: the name of a file; expected a folder"),
            ("model.safetensors", "expected a folder"),
        ] {
            let outcome = try await sandbox.neft(["export", "-m", "model", "--format", "hf", "-o", output] + neft)
            #expect(outcome.exitCode == 2 && outcome.stderr.contains(says), "\(outcome)")
            #expect(sandbox.content == before)
        }
    }

    @Test func onSeveralRanksOneWrites() async throws {
        let sandbox = try await Self.makeSandbox()
        let outcome = try await sandbox.neft(
            ["export", "-m", "model", "--adapter", "neft/final", "--format", "hf", "-o", "out"], ranks: 2)
        #expect(outcome.exitCode == 0, "\(outcome)")
        #expect(try difference(tuned(sandbox, "neft"), load(sandbox, "out")).largest == 0)
    }

    @Test func sampledAnswers() async throws {
        let sandbox = try Sandbox()
        func answer(_ more: String...) async throws -> String {
            let outcome = try await sandbox.neft(
                ["generate", "-m", "model", "--prompt", "a", "--max-new-tokens", "20", "--compute", "fp32", "--json"]
                    + more)
            #expect(outcome.exitCode == 0, "\(outcome)")
            return outcome.stdout
        }
        let first = try await answer("--temperature", "1.5", "--seed", "4", "--threads", "1")
        #expect(try await answer("--temperature", "1.5", "--seed", "4", "--threads", "2") == first)
        #expect(try await answer("--temperature", "1.5", "--seed", "5") != first)
        let greedy = try await answer()
        #expect(try await answer("--temperature", "0", "--seed", "5") == greedy)
        #expect(try await answer("--temperature", "1.5", "--top-k", "1") == greedy)
        #expect(try await answer("--temperature", "1.5", "--top-p", "1e-6") == greedy)
        #expect(first != greedy)
        for (more, says) in [
            (["--top-p", "0.9"], "--top-p is for"), (["--top-k", "3", "--temperature", "0"], "--top-k is for"),
            (["--temperature", "-1"], "temperature"), (["--top-p", "0", "--temperature", "1"], "more than 0%"),
        ] {
            let outcome = try await sandbox.neft(["generate", "-m", "model", "--prompt", "a"] + more)
            #expect(outcome.exitCode == 2 && outcome.stderr.contains(says), "\(outcome)")
        }
    }
}
