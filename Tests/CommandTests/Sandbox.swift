import Checkpoints
import Foundation
import Neurons
import TestSupport

/// A temporary folder with a tiny model, in which the built `neft` is run; removed with the last reference.
final class Sandbox: Sendable {
    let folder: URL

    /// - Parameters:
    ///   - seed: of the model's weights.
    ///   - family: `model_type` of the model.
    init(seed: UInt64 = 1, family: String = "llama") throws {
        folder = FileManager.default.temporaryDirectory.appendingPathComponent("neft-command-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        try makeModel("model", seed: seed, family: family)
    }

    deinit { try? FileManager.default.removeItem(at: folder) }

    func path(_ name: String) -> String { folder.appendingPathComponent(name).path }

    func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }

    @discardableResult
    func write(_ name: String, _ text: String) throws -> String {
        try Data(text.utf8).write(to: folder.appendingPathComponent(name))
        return path(name)
    }

    func read(_ name: String) throws -> Data { try Data(contentsOf: folder.appendingPathComponent(name)) }

    /// Names of everything in the folder, below it too, sorted; without the cache.
    var content: [String] {
        (FileManager.default.enumerator(atPath: folder.path)?.allObjects as? [String] ?? [])
            .filter { !$0.hasPrefix(".cache") }.sorted()
    }

    /// Runs `neft` in the folder on one rank without a launcher, or under `mpirun`.
    /// - Parameter meanwhile: called with the process id, of `mpirun` where there is one.
    func neft(
        _ arguments: [String], ranks: Int? = nil, variables: [String: String] = [:],
        meanwhile: ((pid_t) async throws -> Void)? = nil
    ) async throws -> ProcessRunner.Outcome {
        let executable = try ProductPath.executable("neft")
        let environment = variables.merging(["XDG_CACHE_HOME": path(".cache")]) { given, _ in given }
        guard let ranks else {
            return try await ProcessRunner.run(
                executable, arguments, environment: environment, directory: folder, meanwhile: meanwhile)
        }
        let options = ["-wdir", folder.path]
        return try await ProcessRunner.mpirun(
            ranks: ranks, executable, arguments, environment: environment, options: options, meanwhile: meanwhile)
    }

    /// Runs a program with its arguments from a shell script that ends in `exec "$@"`, on every rank.
    func limited(_ script: String, _ command: [String], ranks: Int? = nil) async throws -> ProcessRunner.Outcome {
        let (shell, arguments) = (URL(fileURLWithPath: "/bin/sh"), ["-c", script, "sh"] + command)
        let environment = ["XDG_CACHE_HOME": path(".cache")]
        guard let ranks else {
            return try await ProcessRunner.run(shell, arguments, environment: environment, directory: folder)
        }
        return try await ProcessRunner.mpirun(
            ranks: ranks, shell, arguments, environment: environment, options: ["-wdir", folder.path])
    }

    /// Waits until something is so, at most half a minute.
    func wait(until holds: () throws -> Bool) async throws {
        let end = ContinuousClock.now + .seconds(30)
        while try !holds(), ContinuousClock.now < end { try await Task.sleep(for: .milliseconds(10)) }
    }

    /// Waits until a run has logged a few steps more.
    func waitForSteps(of run: String, more: Int = 3) async throws {
        func lines() -> Int { (try? read("\(run)/metrics.jsonl"))?.count { $0 == UInt8(ascii: "\n") } ?? 0 }
        let first = lines()
        try await wait { lines() >= first + more }
    }

    /// A mask of two neurons.
    func writeMask(_ name: String, baseHash: String) throws {
        let module = NeuronMask.Module(name: "model.layers.0.mlp.up_proj", layer: 0, projection: .up, rows: [1, 3])
        try NeuronMask(modules: [module], baseHash: baseHash, provenance: [:]).save(to: path(name))
    }

    /// A profile of one module of three neurons.
    func writeProfile(
        _ name: String, method: String, scores: [Double] = [1, 2, 3], baseHash: String = "x"
    ) throws {
        var writer = SafetensorsWriter(metadata: [
            "formatVersion": "1", "kind": "profile", "method": method, "baseHash": baseHash,
        ])
        writer.add("model.layers.0.mlp.up_proj.scores", doubles: scores)
        try writer.write(to: path(name))
    }

    /// The folder of a run that has not done a step.
    func writeRun(_ name: String, dataHash: String) throws {
        try FileManager.default.createDirectory(atPath: path(name), withIntermediateDirectories: true)
        try write(
            "\(name)/manifest.json",
            """
            {"neftVersion": "0.1.0", "libraryVersions": {}, "command": [], "host": "h", "hosts": ["h"], "cpuModel": "c",
             "blasCoreType": "b", "threads": 1, "ranks": 1, "seed": 1, "baseHash": "x", "options": {},
             "dataHashes": {"train.jsonl": "\(dataHash)"}, "startedAt": "2026-01-01T00:00:00Z"}
            """)
    }

    // MARK: - The model

    /// A Llama of two layers with random weights and a tokenizer of single bytes, or another of its kin: `qwen2` has
    /// biases, `qwen3` norms of the heads.
    func makeModel(_ name: String, seed: UInt64 = 1, family: String = "llama") throws {
        try FileManager.default.createDirectory(
            at: folder.appendingPathComponent(name), withIntermediateDirectories: true)
        let (hidden, intermediate, keyValue) = (32, 64, 16)
        try write(
            "\(name)/config.json",
            """
            {"model_type": "\(family)", "head_dim": 8, "hidden_size": \(hidden), "intermediate_size": \(intermediate),
             "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2, "rms_norm_eps": 1e-5,
             "vocab_size": 258, "max_position_embeddings": 256, "rope_theta": 10000, "tie_word_embeddings": true}
            """)
        var shapes: [(String, [Int])] = [("embed_tokens", [258, hidden]), ("norm", [hidden])]
        for layer in 0..<2 {
            shapes += [
                ("self_attn.q_proj", [hidden, hidden]), ("self_attn.k_proj", [keyValue, hidden]),
                ("self_attn.v_proj", [keyValue, hidden]), ("self_attn.o_proj", [hidden, hidden]),
                ("mlp.gate_proj", [intermediate, hidden]), ("mlp.up_proj", [intermediate, hidden]),
                ("mlp.down_proj", [hidden, intermediate]), ("input_layernorm", [hidden]),
                ("post_attention_layernorm", [hidden]),
            ].map { ("layers.\(layer).\($0)", $1) }
        }
        // Behind the others, whose values so stay the same.
        for layer in 0..<2 where family == "qwen2" {
            shapes += [("q", hidden), ("k", keyValue), ("v", keyValue)].map {
                ("layers.\(layer).self_attn.\($0)_proj.bias", [$1])
            }
        }
        for layer in 0..<2 where family == "qwen3" {
            shapes += ["q_norm", "k_norm"].map { ("layers.\(layer).self_attn.\($0)", [8]) }
        }
        var writer = SafetensorsWriter()
        for (number, (module, shape)) in shapes.enumerated() {
            let isBias = module.hasSuffix(".bias")
            let isNorm = shape.count == 1 && !isBias
            let values = randomFloats(shape.reduce(1, *), seed: seed * 1000 + UInt64(number), scale: 0.2)
                .map { isNorm ? $0 + 1 : $0 }
            writer.add("model.\(module)\(isBias ? "" : ".weight")", floats: values, shape: shape)
        }
        try writer.write(to: path("\(name)/model.safetensors"))
        try makeTokenizer(name)
    }

    private func makeTokenizer(_ name: String) throws {
        // GPT-2's printable stand-ins for bytes: printable ones stand for themselves, the others come after 255.
        var other: UInt32 = 255
        var vocabulary: [String: Int] = [:]
        for byte in UInt32(0)..<256 {
            let isPrintable = (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
            if !isPrintable { other += 1 }
            guard let scalar = Unicode.Scalar(isPrintable ? byte : other) else { continue }
            vocabulary[String(scalar)] = Int(byte)
        }
        let specials = ["<|im_start|>", "<|im_end|>"]
        let added = specials.enumerated().map { index, text -> [String: Any] in
            [
                "id": 256 + index, "content": text, "special": true, "normalized": false, "lstrip": false,
                "rstrip": false, "single_word": false,
            ]
        }
        let byteLevel: [String: Any] = ["type": "ByteLevel", "add_prefix_space": false, "use_regex": true]
        try writeJSON(
            "\(name)/tokenizer.json",
            [
                "version": "1.0", "added_tokens": added, "pre_tokenizer": byteLevel, "decoder": ["type": "ByteLevel"],
                "model": ["type": "BPE", "vocab": vocabulary, "merges": [String]()],
            ])
        let template =
            #"{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] "#
            + #"+ '<|im_end|>' + '\n'}}{% endfor %}{% if add_generation_prompt %}"#
            + #"{{ '<|im_start|>assistant\n' }}{% endif %}"#
        try writeJSON("\(name)/tokenizer_config.json", ["eos_token": "<|im_end|>", "chat_template": template])
    }

    private func writeJSON(_ name: String, _ object: [String: Any]) throws {
        try JSONSerialization.data(withJSONObject: object, options: .sortedKeys)
            .write(to: folder.appendingPathComponent(name))
    }
}
