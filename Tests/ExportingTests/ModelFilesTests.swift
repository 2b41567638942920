import Checkpoints
import Foundation
import Kernels
import Models
import TestSupport
import Testing

@testable import Exporting

/// Whole models, written from both kinds of sources.
@Suite struct ModelFilesTests {
    private func load(_ path: String) throws -> (files: ModelFiles, model: Decoder) {
        let files = try ModelFiles.open(path)
        return (files, try Decoder.load(files, team: WorkerTeam(threads: 1)))
    }

    private func weights(_ model: Decoder) -> [[UInt32]] { model.parameters.map { bits($0.tensor.values) } }

    /// A changed row in q, which GGUF permutes, and one in up.
    private func tune(_ model: Decoder) {
        for index in [0, 5] {
            let tensor = model.parameters[index].tensor
            for column in 0..<tensor.columns { tensor.pointer[3 * tensor.columns + column] += 0.25 }
        }
    }

    @Test(arguments: [
        "parity/tiny", "parity/tiny-untied", "parity/tiny.gguf", "parity/tiny-qwen2", "parity/tiny-qwen2.gguf",
        "parity/tiny-qwen3.gguf", "parity/tiny-llama3", "parity/tiny-llama3.gguf", "parity/tiny-mistral.gguf",
    ])
    func floatsSurviveInBothFormats(name: String) throws {
        let scratch = try TemporaryFolder()
        let (files, model) = try load(FixturePath.committed(name))
        tune(model)
        // The fixtures have no tokenizers, which a GGUF file from a directory needs: the weights of one alone here.
        if case .gguf = files {
            let writer = GGUFModelWriter(source: files, type: .f32)
            try writer.write(model, changed: nil, name: "tiny", to: scratch.file("a.gguf"))
            #expect(try weights(load(scratch.file("a.gguf")).model) == weights(model))
        } else {
            try ModelDirectoryWriter(source: files).write(model, to: scratch.path)
            let again = try load(scratch.path).model
            #expect(weights(again) == weights(model))
            #expect(again.canonicalConfiguration == model.canonicalConfiguration)
        }
    }

    @Test func largeModelsGoIntoShards() throws {
        let scratch = try TemporaryFolder()
        let (files, model) = try load(FixturePath.committed("parity/tiny-untied"))
        tune(model)
        try ModelDirectoryWriter(source: files, shardBytes: 40_000).write(model, to: scratch.path)
        let names = try scratch.names.filter { $0.hasSuffix(".safetensors") }
        #expect(names.count > 3 && names[0] == "model-00001-of-0000\(names.count).safetensors")
        for name in names {
            let size = try FileManager.default.attributesOfItem(atPath: scratch.file(name))[.size] as? Int
            #expect(size ?? .max < 42_000)
        }
        #expect(try weights(load(scratch.path).model) == weights(model))
        let index = try ConfigurationFile(path: scratch.file("model.safetensors.index.json"))
        let total = model.parameters.reduce(0) { $0 + 4 * $1.tensor.count }
        #expect(try index.object("metadata")?.integer("total_size") == total)
        #expect(try index.object("weight_map")?.keys.count == model.parameters.count)
    }

    @Test(arguments: [ElementType.float16, .bfloat16])
    func halfTypesAreNamed(type: ElementType) throws {
        let scratch = try TemporaryFolder()
        let (files, model) = try load(FixturePath.committed("parity/tiny"))
        try ModelDirectoryWriter(source: files, type: type).write(model, to: scratch.path)
        let config = try ConfigurationFile(path: scratch.file("config.json"))
        #expect(try config.text("dtype") == (type == .float16 ? "float16" : "bfloat16"))
        #expect(try config.text("torch_dtype") == config.text("dtype"))
        let again = try load(scratch.path).model
        for (mine, theirs) in zip(again.parameters, model.parameters) {
            let error = relativeError(mine.tensor.values, theirs.tensor.values)
            #expect(error > 0 && error < (type == .float16 ? 3e-4 : 2.4e-3), "\(mine.module): \(error)")
        }
    }

    /// Tensors without a change are copied; Q8_0 of 48 columns, which are no whole blocks, becomes F16.
    @Test func ggufTypesOfTensors() throws {
        let scratch = try TemporaryFolder()
        let (files, model) = try load(FixturePath.committed("parity/tiny.gguf"))
        try GGUFModelWriter(source: files, type: .f16).write(
            model, changed: [], name: "", to: scratch.file("half.gguf"))
        let (half, halfModel) = try load(scratch.file("half.gguf"))
        tune(halfModel)
        let module = halfModel.parameters[5].module
        let query = halfModel.parameters[0].module
        try GGUFModelWriter(source: half, type: .f16).write(
            halfModel, changed: [module, query], name: "", to: scratch.file("tuned.gguf"))
        guard case .gguf(let first) = half else { return }
        let second = try GGUFFile(path: scratch.file("tuned.gguf"))
        for (name, entry) in first.entries {
            let type: GGUFElement = entry.shape.count == 1 ? .f32 : .f16
            let (before, after) = (
                try #require(first.bytes(name, type: type, shape: entry.shape)),
                try #require(second.bytes(name, type: type, shape: entry.shape))
            )
            let isChanged = ["blk.0.attn_q.weight", "blk.0.ffn_up.weight"].contains(name)
            #expect(before.elementsEqual(after) == !isChanged, "\(name)")
        }
        #expect(second.metadata["general.file_type"]?.integer == 1)
        let keys = Set(first.metadata.keys)
        #expect(keys.isSubset(of: second.metadata.keys))

        try GGUFModelWriter(source: files, type: .q8_0).write(
            model, changed: nil, name: "", to: scratch.file("q8.gguf"))
        let quantised = try GGUFFile(path: scratch.file("q8.gguf"))
        #expect(quantised.entries["blk.0.ffn_up.weight"]?.type == GGUFElement.f16.rawValue)
        #expect(quantised.entries["blk.0.attn_norm.weight"]?.type == GGUFElement.f32.rawValue)
        #expect(quantised.metadata["general.file_type"]?.integer == 7)
    }

    /// Of a GGUF source, tensors that are no weights.
    @Test func otherTensorsAreCopied() throws {
        let scratch = try TemporaryFolder()
        let (files, model) = try load(FixturePath.committed("parity/tiny.gguf"))
        guard case .gguf(let file) = files else { return }
        var writer = GGUFWriter()
        writer.copyMetadata(of: file)
        for (name, entry) in file.entries {
            let bytes = try #require(file.bytes(name, type: .f32, shape: entry.shape))
            writer.add(name, shape: entry.shape, type: .f32, bytes: bytes)
        }
        writer.add("rope_freqs.weight", shape: [4], type: .f32) { _, out in for i in 0..<4 { out[i] = Float(i + 1) } }
        try writer.write(to: scratch.file("more.gguf"))
        let more = try ModelFiles.open(scratch.file("more.gguf"))
        try GGUFModelWriter(source: more, type: .bf16).write(
            model, changed: nil, name: "", to: scratch.file("a.gguf"))
        let copy = try GGUFFile(path: scratch.file("a.gguf")).floats("rope_freqs.weight", as: "", shape: [4])
        #expect(copy.values == [1, 2, 3, 4])
        #expect(try scratch.names == ["a.gguf", "more.gguf"])
    }

    /// LoRA becomes part of the weights: the same logits without it.
    @Test func lowRankProductsAreMerged() throws {
        let scratch = try TemporaryFolder()
        let (files, model) = try load(FixturePath.committed("parity/tiny"))
        model.attach(LowRankConfiguration(rank: 3, alpha: 5), seed: 4)
        for (number, parameter) in model.parameters.enumerated() where parameter.isLowRank {
            let values = randomFloats(parameter.tensor.count, seed: UInt64(number), scale: 0.3)
            for i in 0..<values.count { parameter.tensor.pointer[i] = values[i] }
        }
        let check = ExportCheck(model, prompts: [[5, 9, 2, 77, 31], [1]])
        try ModelDirectoryWriter(source: files).write(model, to: scratch.path)
        let difference = check.difference(from: try load(scratch.path).model)
        #expect(difference.count == 6 * 128)
        #expect(difference.relative > 0 && difference.relative < 1e-6)
        let base = try load(FixturePath.committed("parity/tiny")).model
        #expect(check.difference(from: base).relative > 0.1)
    }

    @Test func aModelIsNoDistanceFromItself() throws {
        let model = makeTinyDecoder()
        let check = ExportCheck(model, prompts: [[1, 2, 3], []])
        #expect(check.difference(from: model) == .init(largest: 0, relative: 0, count: 3 * 67))
        let other = makeTinyDecoder(adjust: { name, weights in
            if name == "model.norm.weight" { weights[0] = .nan }
        })
        #expect(check.difference(from: other).relative == .infinity)
    }

    /// The divisors of tiny-llama3 are of no model that config.json has words for: said before anything is trained.
    @Test func sourcesThatNoConfigurationDescribesAreRefused() throws {
        let odd = try ModelFiles.open(FixturePath.committed("parity/tiny-llama3.gguf"))
        #expect(throws: CheckpointError.self) { try ModelDirectoryWriter(source: odd).checkSource() }
        for name in ["tiny.gguf", "tiny-qwen2.gguf", "tiny-llama3"] {
            let files = try ModelFiles.open(FixturePath.committed("parity/\(name)"))
            try ModelDirectoryWriter(source: files).checkSource()
        }
    }
}
