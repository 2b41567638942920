import Checkpoints
import Foundation
import Kernels
import Models
import Neurons
import TestSupport
import Testing

@testable import Exporting

/// What was trained alone, in the forms of PEFT and llama.cpp.
@Suite struct AdapterFilesTests {
    private let prompts: [[Int32]] = [[5, 9, 2, 77, 31, 8], [1, 2]]

    private func load(_ name: String = "parity/tiny") throws -> (files: ModelFiles, model: Decoder) {
        let files = try ModelFiles.open(FixturePath.committed(name))
        return (files, try Decoder.load(files, team: WorkerTeam(threads: 1)))
    }

    /// New rows in q and k, which GGUF permutes, and in down; or in every module.
    private func rows(of model: Decoder, everywhere: Bool = false) -> [RowAdapter.Module] {
        model.projections.filter { everywhere || ($0.layer == 1 && [.query, .key, .down].contains($0.projection)) }
            .map { projection in
                let tensor = model.parameters[projection.parameter].tensor
                let rows: [Int32] = [0, 3, 5, Int32(projection.rows) - 1]
                let storage = TensorStorage(count: rows.count * tensor.columns)
                let noise = randomFloats(storage.count, seed: UInt64(projection.parameter), scale: 0.3)
                for (i, row) in rows.enumerated() {
                    for column in 0..<tensor.columns {
                        let index = i * tensor.columns + column
                        storage.pointer[index] = tensor.pointer[Int(row) * tensor.columns + column] + noise[index]
                    }
                }
                let values = FloatTensor(
                    name: projection.module, shape: [rows.count, tensor.columns], pointer: storage.pointer,
                    owner: storage)
                let bias = projection.bias.map { index in
                    let storage = TensorStorage(count: rows.count)
                    for i in rows.indices { storage.pointer[i] = 0.5 - Float(i) }
                    return RowAdapter.Module.Values(
                        parameter: index,
                        tensor: FloatTensor(
                            name: "bias", shape: [rows.count], pointer: storage.pointer, owner: storage))
                }
                return RowAdapter.Module(
                    name: projection.module, rows: rows,
                    weight: .init(parameter: projection.parameter, tensor: values), bias: bias)
            }
    }

    @Test func ggufAdapterIsTheTunedModel() throws {
        let scratch = try TemporaryFolder()
        let (files, tuned) = try load()
        let modules = rows(of: tuned)
        try GGUFAdapter.write(modules, of: tuned, files: files, to: scratch.file("a.gguf"))
        RowAdapter.apply(modules, to: tuned)
        let file = try GGUFFile(path: scratch.file("a.gguf"))
        #expect(file.metadata["general.type"]?.text == "adapter" && file.metadata["adapter.type"]?.text == "lora")
        #expect(file.metadata["adapter.lora.alpha"]?.number == 0)
        #expect(file.metadata["general.architecture"]?.text == "llama")
        #expect(file.entries["blk.1.attn_q.weight.lora_a"]?.shape == [4, 48])
        #expect(file.entries["blk.1.attn_q.weight.lora_b"]?.shape == [48, 4])
        #expect(file.entries.count == 6)
        // Row 3 of a head of 8 is GGUF's row 6.
        let factor = try file.floats("blk.1.attn_q.weight.lora_b", as: "b", shape: [48, 4])
        #expect(factor.values[6 * 4..<7 * 4] == [0, 1, 0, 0])
        let base = try load().model
        try GGUFAdapter.apply(scratch.file("a.gguf"), to: base, files: files)
        let difference = ExportCheck(tuned, prompts: prompts).difference(from: base)
        #expect(difference.relative < 1e-6)
    }

    @Test func ggufAdapterOfLoRA() throws {
        let scratch = try TemporaryFolder()
        let (files, model) = try load()
        model.attach(LowRankConfiguration(rank: 3, alpha: 5), seed: 4)
        for (number, parameter) in model.parameters.enumerated() where parameter.isLowRank {
            let values = randomFloats(parameter.tensor.count, seed: UInt64(number), scale: 0.3)
            for i in 0..<values.count { parameter.tensor.pointer[i] = values[i] }
        }
        try GGUFAdapter.write(lowRankOf: model, files: files, to: scratch.file("a.gguf"))
        let file = try GGUFFile(path: scratch.file("a.gguf"))
        #expect(file.metadata["adapter.lora.alpha"]?.number == 5)
        #expect(file.entries.count == 2 * 7 * 3)
        let base = try load().model
        try GGUFAdapter.apply(scratch.file("a.gguf"), to: base, files: files)
        #expect(ExportCheck(model, prompts: prompts).difference(from: base).relative < 1e-6)
    }

    @Test func adaptersOfOtherModelsAreRefused() throws {
        let scratch = try TemporaryFolder()
        let (files, model) = try load()
        try GGUFAdapter.write(rows(of: model), of: model, files: files, to: scratch.file("a.gguf"))
        let smaller = makeTinyDecoder(layers: 1)
        #expect(throws: CheckpointError.self) {
            try GGUFAdapter.apply(scratch.file("a.gguf"), to: smaller, files: files)
        }
    }

    @Test(arguments: PEFTWriter.Form.allCases, [false, true])
    func peftFilesAreTheTunedModel(form: PEFTWriter.Form, everywhere: Bool) throws {
        let scratch = try TemporaryFolder()
        let (files, tuned) = try load()
        let modules = rows(of: tuned, everywhere: everywhere)
        try PEFTWriter(modules, of: tuned, files: files).write(
            form, baseModel: "base", baseHash: "abc", to: scratch.path)
        RowAdapter.apply(modules, to: tuned)
        #expect(try scratch.names == ["adapter_config.json", "adapter_model.safetensors"])
        #expect(try LowRankAdapterFiles.isMerged(scratch.path))
        let base = try load().model
        try LowRankAdapterFiles.merge(scratch.path, into: base, baseHash: { "abc" })
        let difference = ExportCheck(tuned, prompts: prompts).difference(from: base)
        #expect(form == .rows ? difference.largest == 0 : difference.relative < 1e-6)
        #expect(throws: NeuronError.self) {
            try LowRankAdapterFiles.merge(scratch.path, into: base, baseHash: { "other" })
        }

        let config = try ConfigurationFile(path: scratch.file("adapter_config.json"))
        let file = try SafetensorsFile(path: scratch.file("adapter_model.safetensors"))
        #expect(try config.text("peft_type") == "LORA" && config.text("base_model_name_or_path") == "base")
        #expect(file.metadata["format"] == "pt")
        let name = "base_model.model.\(modules[0].name)"
        if form == .rows {
            let indices = try #require(try config.object("trainable_token_indices"))
            #expect(try indices.integers(modules[0].name) == [0, 3, 5, 47] && indices.keys.count == modules.count)
            let values = try file.floats("\(name).token_adapter.trainable_tokens_delta", shape: [4, 48])
            #expect(bits(values.values) == bits(modules[0].weight.tensor.values))
            #expect(try config.integer("r") == 1)
            // A target that is not trained, with a product that is zero.
            let target = everywhere ? "lm_head" : "model.layers.0.self_attn.q_proj"
            let rows = everywhere ? 128 : 48
            #expect(
                try file.floats("base_model.model.\(target).lora_A.weight", shape: [1, 48]).values.allSatisfy {
                    $0 == 0
                })
            #expect(
                try file.floats("base_model.model.\(target).lora_B.weight", shape: [rows, 1]).values.allSatisfy {
                    $0 == 0
                })
        } else {
            for key in ["rank_pattern", "alpha_pattern"] {
                #expect(try config.object(key)?.integer(modules[0].name) == 4)
            }
            let factor = try file.floats("\(name).lora_B.weight", shape: [48, 4])
            #expect(factor.values[3 * 4..<4 * 4] == [0, 1, 0, 0])
        }
    }

    /// Biases go with LoRA's files; llama.cpp has no place for them.
    @Test func biases() throws {
        let scratch = try TemporaryFolder()
        let (files, tuned) = try load("parity/tiny-qwen2")
        let modules = rows(of: tuned)
        #expect(modules.contains { $0.bias != nil } && PEFTWriter.standardForm(of: modules) == .lora)
        RowAdapter.apply(modules, to: tuned)
        do {
            try GGUFAdapter.write(modules, of: tuned, files: files, to: scratch.file("a.gguf"))
            Issue.record("written")
        } catch { #expect("\(error)".contains("q_proj: trained biases")) }
        #expect(try scratch.names.isEmpty)
        try PEFTWriter(modules, of: tuned, files: files).write(
            .lora, baseModel: "base", baseHash: "abc", to: scratch.path)
        let config = try ConfigurationFile(path: scratch.file("adapter_config.json"))
        #expect(try config.text("bias") == "all")
        let base = try load("parity/tiny-qwen2").model
        #expect(ExportCheck(tuned, prompts: prompts).difference(from: base).relative > 0.01)
        try LowRankAdapterFiles.merge(scratch.path, into: base, baseHash: { "abc" })
        #expect(ExportCheck(tuned, prompts: prompts).difference(from: base).relative < 1e-6)
        let down = try #require(modules.last)
        #expect(down.bias == nil)
        try PEFTWriter([down], of: tuned, files: files).write(
            .rows, baseModel: "base", baseHash: "abc", to: scratch.path)
    }

    /// PEFT's patterns name modules by the ends of their names.
    @Test func alphaOfAPattern() throws {
        let scratch = try TemporaryFolder()
        let (files, tuned) = try load()
        let modules = Array(rows(of: tuned).prefix(1))
        try PEFTWriter(modules, of: tuned, files: files).write(
            .lora, baseModel: "base", baseHash: "abc", to: scratch.path)
        RowAdapter.apply(modules, to: tuned)
        let url = URL(fileURLWithPath: scratch.file("adapter_config.json"))
        func merged(_ patterns: [String: Int]) throws -> Double {
            var config = try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any] ?? [:]
            config["alpha_pattern"] = patterns
            try JSONSerialization.data(withJSONObject: config).write(to: url)
            let base = try load().model
            try LowRankAdapterFiles.merge(scratch.path, into: base, baseHash: { "abc" })
            return ExportCheck(tuned, prompts: prompts).difference(from: base).relative
        }
        #expect(try merged(["self_attn.q_proj": 4]) < 1e-6)
        // lora_alpha of 1 and a rank of 4: a quarter of the differences.
        #expect(try merged(["k_proj": 4]) > 1e-3)
        for patterns in [["q_proj": 4, "self_attn.q_proj": 4], [".*q_proj": 4]] {
            #expect(throws: NeuronError.self) { try merged(patterns) }
        }
    }
}
