import Foundation
import Checkpoints
import Datasets
import Kernels
import Models
import TestSupport
import Testing

/// The whole model against PyTorch: logits, losses and every gradient.
@Suite struct ParityTests {
    static let models = [
        ("tiny", "tiny-expected"), ("tiny.gguf", "tiny-expected"), ("tiny-untied", "tiny-untied-expected"),
    ]

    func load(_ path: String, threads: Int = 2) throws -> Decoder {
        try Decoder.load(ModelFiles.open(path), team: WorkerTeam(threads: threads))
    }

    @Test(arguments: models) func logitsAndLosses(name: String, expected: String) throws {
        let model = try load(ParityFixture.path(name))
        let file = try ParityFixture.tensors(expected)
        for (number, row) in try ParityFixture.decode([ParityFixture.Row].self, "rows.json").prefix(6).enumerated() {
            let batch = ParityFixture.batch([row])
            let logits = model.logits(batch, positions: row.tokens.indices.map { Int32($0) })
            #expect(relativeError(logits, try file.floats("logits.\(number)").values) < 1e-5)
            #expect(relativeError(model.losses(batch), try file.floats("losses.\(number)").values) < 1e-5)
        }
    }

    @Test(arguments: models) func everyGradient(name: String, expected: String) throws {
        let model = try load(ParityFixture.path(name))
        let file = try ParityFixture.tensors(expected)
        let rows = Array(try ParityFixture.decode([ParityFixture.Row].self, "rows.json").prefix(6))
        let batch = ParityFixture.batch(rows)
        let all = model.allTrainable
        let gradient = model.gradients(batch, trainable: all, lossScale: 1 / Float(batch.targetCount)).gradient
        for entry in all.entries {
            let tensor = model.parameters[entry.parameter].tensor
            let reference = try file.floats("grad.\(tensor.name)", shape: tensor.shape).values
            let error = relativeError(Array(gradient[entry.offset..<entry.offset + entry.count]), reference)
            #expect(error < 2e-5, "\(tensor.name): \(error)")
        }
    }

    @Test func everySelectedRowGradient() throws {
        let model = try load(ParityFixture.path("tiny"))
        let file = try ParityFixture.tensors("tiny-expected")
        let batch = ParityFixture.batch(
            Array(try ParityFixture.decode([ParityFixture.Row].self, "rows.json").prefix(6)))
        let trainable = try ParityFixture.mask("tiny-neurons", for: model)
        #expect(trainable.entries.count == 21)
        let gradient = model.gradients(batch, trainable: trainable, lossScale: 1 / Float(batch.targetCount)).gradient
        for entry in trainable.entries {
            let tensor = model.parameters[entry.parameter].tensor
            let whole = try file.floats("grad.\(tensor.name)", shape: tensor.shape).values
            for (index, row) in entry.rows!.enumerated() {
                let offset = entry.offset + index * entry.columns
                let error = relativeError(
                    Array(gradient[offset..<offset + entry.columns]),
                    Array(whole[Int(row) * entry.columns..<(Int(row) + 1) * entry.columns]))
                #expect(error < 1e-4, "\(tensor.name) row \(row): \(error)")
            }
        }
    }

    @Test func ggufAndHuggingFaceHaveTheSameHash() throws {
        func hash(_ name: String) throws -> String {
            let model = try load(ParityFixture.path(name))
            return BaseHash.compute(
                configuration: model.canonicalConfiguration, tensors: model.parameters.map(\.tensor))
        }
        #expect(try hash("tiny") == hash("tiny.gguf"))
        #expect(try hash("tiny") != hash("tiny-untied"))
    }

    @Test func unknownArchitecturesAndWrongShapesAreNamed() throws {
        let folder = try TemporaryFolder()
        func attempt(_ change: (String) -> String) throws -> String {
            let config = try String(contentsOfFile: ParityFixture.path("tiny/config.json"), encoding: .utf8)
            let changed = change(config)
            #expect(changed != config)
            try changed.write(toFile: folder.file("config.json"), atomically: true, encoding: .utf8)
            try? FileManager.default.copyItem(
                atPath: ParityFixture.path("tiny/model.safetensors"), toPath: folder.file("model.safetensors"))
            do { _ = try load(folder.path) } catch { return "\(error)" }
            return "loaded"
        }
        #expect(
            try attempt { $0.replacing("\"llama\"", with: "\"mamba\"") }.contains(
                "architecture \"mamba\"; expected llama"))
        #expect(
            try attempt { $0.replacing("\"hidden_size\": 48", with: "\"hidden_size\": 56") }
                .contains("model.layers.0.self_attn.q_proj.weight: shape [48, 48]; expected [48, 56]"))
        #expect(
            try attempt { $0.replacing("\"num_hidden_layers\": 3", with: "\"num_hidden_layers\": 4") }.contains(
                "model.layers.3"))
        #expect(try attempt { $0.replacing("\"silu\"", with: "\"gelu\"") }.contains("hidden_act: gelu; expected silu"))
        #expect(
            try attempt { $0.replacing("\"num_attention_heads\": 6", with: "\"num_attention_heads\": -6") }.contains(
                "expected 1 to"))
        #expect(
            try attempt { $0.replacing("\"vocab_size\": 128", with: "\"vocab_size\": \"many\"") }.contains(
                "vocab_size: many; expected a whole number"))
    }
}

/// SmolLM2-135M-Instruct from its GGUF file against transformers.
@Suite struct RealModelParityTests {
    let model: Decoder
    let real: ParityFixture.Real
    let expected: SafetensorsFile

    init() throws {
        model = try Decoder.load(ModelFiles.open(FixturePath.model), team: WorkerTeam(threads: 2))
        real = try ParityFixture.decode(ParityFixture.Real.self, "real.json")
        expected = try ParityFixture.tensors("real-expected")
    }

    @Test func dequantisedTensorsHaveTheSameBits() {
        #expect(real.tensorHashes.count == 5)
        for (name, hash) in real.tensorHashes {
            let tensor = model.parameters.first { $0.tensor.name == name }!.tensor
            #expect(BaseHash.ofBytes(Array(UnsafeRawBufferPointer(tensor.buffer))) == hash, "\(name)")
        }
    }

    @Test func logits() throws {
        for (number, reference) in real.logits.enumerated() {
            let batch = ParityFixture.batch([real.rows[number]])
            let logits = model.logits(batch, positions: reference.positions)
            var picked: [Float] = []
            for index in reference.positions.indices {
                let row = Array(logits[index * 49_152..<(index + 1) * 49_152])
                picked += real.vocabulary.map { row[$0] }
                #expect(argmax(row, row.count) == reference.argmax[index])
                let norm = dot(row, row).squareRoot()
                #expect(abs(norm - reference.norm[index]) < 1e-4 * norm)
            }
            #expect(relativeError(picked, try expected.floats("logits.\(number)").values) < 1e-4)
            #expect(relativeError(model.losses(batch), try expected.floats("losses.\(number)").values) < 1e-4)
        }
    }

    @Test func selectedGradients() throws {
        let batch = ParityFixture.batch(Array(real.rows.prefix(4)))
        let trainable = try ParityFixture.mask("real-neurons", for: model)
        #expect(batch.prefixCount > 20)
        let gradient = model.gradients(batch, trainable: trainable, lossScale: 1 / Float(batch.targetCount)).gradient
        #expect(trainable.entries.count == 210)
        for entry in trainable.entries {
            let module = model.parameters[entry.parameter].module
            let values = Array(gradient[entry.offset..<entry.offset + entry.count])
            let sampled = stride(from: 0, to: values.count, by: entry.rowCount * 9).map { values[$0] }
            let (norm, reference) = (dot(values, values).squareRoot(), real.gradientNorms[module]!)
            #expect(abs(norm - reference) < 2e-4 * reference, "\(module)")
            #expect(relativeError(sampled, try expected.floats("grad.\(module)").values) < 1e-3, "\(module)")
        }
    }
}
