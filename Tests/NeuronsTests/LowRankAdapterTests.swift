import Checkpoints
import Datasets
import Foundation
import Kernels
import Models
import Neurons
import TestSupport
import Testing

/// LoRA beside PEFT, finite differences, and its files.
@Suite struct LowRankAdapterTests {
    let folder = ParityFixture.path("tiny-lora")
    let rows = try! ParityFixture.decode([ParityFixture.Row].self, "rows.json")

    func tiny(threads: Int = 2) throws -> Decoder {
        try Decoder.load(ModelFiles.open(ParityFixture.path("tiny")), team: WorkerTeam(threads: threads))
    }

    @Test func anAdapterOfPEFT() throws {
        let model = try tiny()
        try LowRankAdapterFiles.attach(folder, to: model) { "any" }
        let expected = try ParityFixture.tensors("tiny-lora-expected")
        for (number, row) in rows[..<6].enumerated() {
            let logits = model.logits(ParityFixture.batch([row]), positions: (0..<Int32(row.tokens.count)).map { $0 })
            #expect(relativeError(logits, try expected.floats("logits.\(number)").values) < 1e-5)
        }
        let batch = ParityFixture.batch(Array(rows[..<6]))
        let trainable = model.lowRankRows
        #expect(trainable.entries.count == 2 * 7 * 3)
        let gradient = model.gradients(batch, trainable: trainable, lossScale: 1 / Float(batch.targetCount)).gradient
        for entry in trainable.entries {
            let name = model.parameters[entry.parameter].tensor.name
            let found = Array(gradient[entry.offset..<entry.offset + entry.count])
            #expect(relativeError(found, try expected.floats("grad.\(name)").values) < 1e-4, "\(name)")
        }
    }

    /// Neurons' gradients under an adapter that stays as it is: those of the merged weights.
    @Test func neuronsUnderAFrozenAdapter() throws {
        let (model, merged) = (try tiny(), try tiny())
        try LowRankAdapterFiles.attach(folder, to: model) { "any" }
        let factors = model.parameters.filter(\.isLowRank).map(\.tensor)
        for (pair, entry) in zip(stride(from: 0, to: factors.count, by: 2), merged.projections) {
            let (a, b, weight) = (factors[pair], factors[pair + 1], merged.parameters[entry.parameter].tensor)
            for row in 0..<weight.rows {
                for column in 0..<weight.columns {
                    let sum = (0..<4).reduce(Float(0)) {
                        $0 + b.pointer[row * 4 + $1] * a.pointer[$1 * a.columns + column]
                    }
                    weight.pointer[row * weight.columns + column] += 1.5 * sum
                }
            }
        }
        let batch = ParityFixture.batch(Array(rows[..<4]))
        let (found, expected) = (
            model.gradients(batch, trainable: model.everyNeuron, lossScale: 1),
            merged.gradients(batch, trainable: merged.everyNeuron, lossScale: 1)
        )
        #expect(relativeError(found.gradient, expected.gradient) < 1e-4)
    }

    /// Dropped inputs are dropped in both passes, alike, and the others are scaled up.
    @Test(arguments: [0, 0.4]) func gradientsMatchFiniteDifferences(dropout: Double) throws {
        let model = makeTinyDecoder(threads: 2)
        model.attach(LowRankConfiguration(rank: 3, alpha: 5, dropout: dropout), seed: 7)
        var random = TestRandom(3)
        for parameter in model.parameters where parameter.isLowRank {
            for i in 0..<parameter.tensor.count {
                parameter.tensor.pointer[i] = Float.random(in: -0.3..<0.3, using: &random)
            }
        }
        let trainable = model.lowRankRows
        var batch = makeBatch(lengths: [12, 3, 20])
        batch.seed = 99
        let gradient = model.gradients(batch, trainable: trainable, lossScale: 1).gradient
        for entry in trainable.entries {
            let tensor = model.parameters[entry.parameter].tensor
            let direction = (0..<entry.count).map { _ in Float.random(in: -1..<1, using: &random) }
            let original = tensor.values
            func loss(_ step: Float) -> Double {
                for i in 0..<entry.count { tensor.pointer[i] = original[i] + step * direction[i] }
                return model.gradients(batch, trainable: trainable, lossScale: 1).loss
            }
            let step: Float = 1e-2
            let difference = (loss(step) - loss(-step)) / Double(2 * step)
            _ = loss(0)
            let range = entry.offset..<entry.offset + entry.count
            let expected = dot(Array(gradient[range]), direction)
            let size = gradient[range].reduce(0) { $0 + Double($1 * $1) }.squareRoot()
            #expect(abs(difference - expected) < 2e-2 * max(abs(expected), size), "\(tensor.name)")
        }
    }

    @Test func droppedInputsDependOnTheBatchAlone() {
        func gradient(threads: Int, seed: UInt64) -> [UInt32] {
            let model = makeTinyDecoder(threads: threads)
            model.attach(LowRankConfiguration(rank: 2, alpha: 4, dropout: 0.5), seed: 1)
            var batch = makeBatch(lengths: [12, 30, 4])
            batch.seed = seed
            return bits(model.gradients(batch, trainable: model.lowRankRows, lossScale: 1).gradient)
        }
        let first = gradient(threads: 1, seed: 5)
        #expect(first == gradient(threads: 3, seed: 5))
        #expect(first != gradient(threads: 1, seed: 6))
        // Evaluation drops nothing: new factors change nothing at all.
        let (plain, adapted) = (makeTinyDecoder(), makeTinyDecoder())
        adapted.attach(LowRankConfiguration(rank: 2, alpha: 4, dropout: 0.5), seed: 1)
        let batch = makeBatch(lengths: [9, 14])
        #expect(plain.losses(batch) == adapted.losses(batch))
    }

    @Test func theShareOfDroppedValues() {
        let (T, C) = (200, 333)
        let mask = DropoutMask(rate: 0.3, seed: 12)
        let out = TensorStorage(count: T * C)
        let x = [Float](repeating: 2, count: T * C)
        dropout(WorkerTeam(threads: 2), out: out.pointer, x: x, mask: mask, T: T, C: C)
        let kept = out.buffer.filter { $0 != 0 }
        #expect(kept.allSatisfy { abs($0 - 2 / 0.7) < 1e-6 })
        // Five standard deviations of a fair draw.
        #expect(abs(Double(kept.count) / Double(T * C) - 0.7) < 5 * (0.21 / Double(T * C)).squareRoot())
        dropoutAdd(WorkerTeam(threads: 1), out: out.pointer, x: x, mask: mask, T: T, C: C)
        #expect(out.buffer.filter { abs($0 - 4 / 0.7) < 1e-5 }.count == kept.count)
    }

    @Test func generationWithAnAdapter() throws {
        let model = try tiny()
        try LowRankAdapterFiles.attach(folder, to: model) { "any" }
        let prompt = Array(rows[2].tokens.prefix(9))
        var tokens = prompt
        for answer in model.generateGreedy(prompts: [prompt], maxNewTokens: 5, endTokens: [])[0] {
            let batch = PackedBatch(rows: [(tokens, tokens.map { _ in false })])
            let logits = model.logits(batch, positions: [Int32(tokens.count - 1)])
            #expect(Int32(logits.firstIndex(of: logits.max()!)!) == answer)
            tokens.append(answer)
        }
    }

    @Test func filesComeBackAsTheyWereWritten() throws {
        let temporary = try TemporaryFolder()
        let configuration = LowRankConfiguration(rank: 4, alpha: 6, dropout: 0.1)
        for copy in ["one", "two"] {
            let model = try tiny()
            model.attach(configuration, seed: 3)
            for parameter in model.parameters where parameter.isLowRank { parameter.tensor.pointer[0] = 0.5 }
            try FileManager.default.createDirectory(atPath: temporary.file(copy), withIntermediateDirectories: true)
            try LowRankAdapterFiles.save(
                model, configuration: configuration, baseModel: "some/model", baseHash: "aa", to: temporary.file(copy))
            if copy == "one" {
                let read = try tiny()
                try LowRankAdapterFiles.attach(temporary.file(copy), to: read) { "aa" }
                let batch = ParityFixture.batch(Array(rows[..<3]))
                #expect(read.losses(batch) == model.losses(batch))
            }
        }
        for name in [LowRankAdapterFiles.configName, LowRankAdapterFiles.weightsName] {
            let both = try ["one", "two"].map {
                try Data(contentsOf: URL(fileURLWithPath: temporary.file("\($0)/\(name)")))
            }
            #expect(both[0] == both[1])
        }
        #expect(throws: NeuronError.self) {
            try LowRankAdapterFiles.attach(temporary.file("one"), to: try tiny()) { "bb" }
        }
    }

    @Test func whatIsNotComputedIsRefused() throws {
        let temporary = try TemporaryFolder()
        let config = try String(contentsOfFile: folder + "/adapter_config.json", encoding: .utf8)
        try FileManager.default.copyItem(
            atPath: folder + "/adapter_model.safetensors", toPath: temporary.file("adapter_model.safetensors"))
        func attempt(_ from: String, _ to: String) -> String {
            let changed = config.replacing(from, with: to)
            #expect(changed != config)
            do {
                try changed.write(toFile: temporary.file("adapter_config.json"), atomically: true, encoding: .utf8)
                try LowRankAdapterFiles.attach(temporary.path, to: try tiny()) { "any" }
                return "accepted"
            } catch {
                return "\(error)"
            }
        }
        #expect(attempt("\"use_dora\": false", "\"use_dora\": true").contains("use_dora"))
        #expect(attempt("\"use_rslora\": false", "\"use_rslora\": true").contains("use_rslora"))
        #expect(attempt("\"bias\": \"none\"", "\"bias\": \"all\"").contains("bias"))
        #expect(attempt("\"LORA\"", "\"IA3\"").contains("IA3"))
        #expect(attempt("\"rank_pattern\": {}", "\"rank_pattern\": {\"q_proj\": 2}").contains("rank_pattern"))
        #expect(attempt("\"modules_to_save\": null", "\"modules_to_save\": [\"lm_head\"]").contains("modules_to_save"))
        let wrongRank = attempt("\"r\": 4", "\"r\": 5")
        #expect(wrongRank.contains("lora_A.weight") && wrongRank.contains("[4, 48]") && wrongRank.contains("[5, 48]"))
        #expect(attempt("\"r\": 4", "\"r\": 0").contains("1 or more"))
        // Another model's factors.
        let other = makeTinyDecoder(layers: 2)
        #expect(throws: (any Error).self) { try LowRankAdapterFiles.attach(folder, to: other) { "any" } }
    }
}
