import Checkpoints
import Foundation
import TestSupport
import Testing

/// Every command on tiny models that are no Llamas: the same bits on 1 and 2 ranks, interrupted or not.
@Suite(.serialized)
struct FamilyCommandTests {
    private func run(_ sandbox: Sandbox, _ arguments: [String], ranks: Int? = nil) async throws -> String {
        let outcome = try await sandbox.neft(arguments, ranks: ranks)
        try #require(outcome.exitCode == 0, "\(outcome)")
        return outcome.stdout
    }

    private func loss(_ evaluation: String) throws -> Double {
        let document = try JSONSerialization.jsonObject(with: Data(evaluation.utf8)) as? [String: Any]
        return try #require(document?["loss"] as? Double, "\(evaluation)")
    }

    @Test(arguments: ["qwen2", "qwen3"]) func trainResumeEvaluateAndGenerate(family: String) async throws {
        let (sandbox, train) = try ResumeTests.makeSandbox(family: family)
        _ = try await run(sandbox, train + ["-o", "one", "--save-every", "2", "--keep", "9"])
        _ = try await run(sandbox, train + ["-o", "two"], ranks: 2)
        _ = try await run(sandbox, train + ["-o", "resumed", "--resume", "one/checkpoint-000002"], ranks: 2)
        let result = try sandbox.read("one/final/adapter.safetensors")
        #expect(try sandbox.read("two/final/adapter.safetensors") == result)
        #expect(try sandbox.read("resumed/final/adapter.safetensors") == result)

        let adapter = try SafetensorsFile(path: sandbox.path("one/final/adapter.safetensors"))
        let base = try SafetensorsFile(path: sandbox.path("model/model.safetensors"))
        let biases = adapter.entries.keys.filter { $0.hasSuffix(".bias") }
        #expect(biases.count == (family == "qwen2" ? 6 : 0))
        for name in biases {
            let rows = try adapter.integers(name.replacing(".bias", with: ".rows"))
            let (new, old) = (try adapter.floats(name, shape: [rows.count]).values, try base.floats(name).values)
            #expect(zip(rows, new).allSatisfy { old[Int($0)] != $1 }, "\(name) was not trained")
        }

        let evaluate = ["evaluate", "-m", "model", "-d", "train.jsonl", "--max-new-tokens", "8", "--json"]
        let trained = try await run(sandbox, evaluate + ["--adapter", "one/final"])
        #expect(try await run(sandbox, evaluate + ["--adapter", "one/final"], ranks: 2) == trained)
        let untrained = try await run(sandbox, evaluate)
        #expect(try loss(trained) < loss(untrained))
        let generate = ["generate", "-m", "model", "--prompt", "number 3", "--max-new-tokens", "9", "--json"]
        let text = try await run(sandbox, generate + ["--adapter", "one/final"])
        let document = try #require(try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
        #expect((document["tokens"] as? [Int])?.isEmpty == false)
    }

    @Test(arguments: ["gradient", "weight-shift", "activation"]) func profiles(method: String) async throws {
        let (sandbox, _) = try ResumeTests.makeSandbox(family: "qwen2")
        let profile = [
            "profile", "-m", "model", "-d", "train.jsonl", "--profile-method", method, "--steps", "2", "--global-batch",
            "6", "--micro-batch", "2",
        ]
        _ = try await run(sandbox, profile + ["-o", "one"])
        _ = try await run(sandbox, profile + ["-o", "two"], ranks: 2)
        #expect(try sandbox.read("one") == sandbox.read("two"))
    }

    /// The whole model is written with its biases, and is read again.
    @Test(arguments: ["full", "linear", "lora"]) func otherMethods(method: String) async throws {
        var (sandbox, train) = try ResumeTests.makeSandbox(family: "qwen2")
        train.removeAll { ["--top", "80%"].contains($0) }
        train += ["--method", method]
        _ = try await run(sandbox, train + ["-o", "one"])
        _ = try await run(sandbox, train + ["-o", "two"], ranks: 2)
        let file = method == "lora" ? "adapter_model.safetensors" : "model.safetensors"
        #expect(try sandbox.read("one/final/\(file)") == sandbox.read("two/final/\(file)"))
        if method != "lora" {
            let bias = "model.layers.1.self_attn.k_proj.bias"
            let (base, new) = (
                try SafetensorsFile(path: sandbox.path("model/model.safetensors")),
                try SafetensorsFile(path: sandbox.path("one/final/model.safetensors"))
            )
            #expect(Set(new.entries.keys) == Set(base.entries.keys))
            #expect(zip(try base.floats(bias).values, try new.floats(bias).values).allSatisfy { $0 != $1 })
        }
        let evaluate = ["evaluate", "-m", "model", "-d", "train.jsonl", "--metrics", "perplexity", "--json"]
        let (trained, untrained) = (
            try await run(sandbox, evaluate + ["--adapter", "one/final"]), try await run(sandbox, evaluate)
        )
        #expect(try loss(trained) < loss(untrained))
    }
}
