import Checkpoints
import Foundation
import Collectives
import Datasets
import Kernels
import Models
import Neurons
import TestSupport
import Testing

@testable import Training

/// Ten optimizer steps against PyTorch's with the same batches: losses, gradient norms, learning rates, weights.
@Suite struct CurveTests {
    /// The fixture's micro-batches.
    struct FixtureData: TrainingData {
        let curve: ParityFixture.Curve
        let rows: [ParityFixture.Row]

        var stepsPerEpoch: Int { curve.microBatches.count }
        var maxMicroBatches: Int { 2 }

        func step(_ step: Int) -> TrainingStep {
            let batches = curve.microBatches[step].map { ParityFixture.batch($0.map { rows[$0] }) }
            return TrainingStep(
                microBatchCount: batches.count, targetTokens: batches.reduce(0) { $0 + $1.targetCount },
                tokens: batches.reduce(0) { $0 + $1.rowTokenCount }
            ) { batches[$0] }
        }
    }

    func check(
        _ curve: ParityFixture.Curve, rows: [ParityFixture.Row], model: Decoder, trainable: TrainableRows,
        tolerance: Double
    ) throws {
        var configuration = TrainingConfiguration(method: .neft, learningRate: curve.learningRates.max()!)
        configuration.warmup = .steps(2)
        configuration.weightDecay = curve.weightDecay
        configuration.maxGradNorm = curve.maxGradNorm
        let trainer = try Trainer(
            model: model, trainable: trainable, data: FixtureData(curve: curve, rows: rows),
            configuration: configuration, communicator: LocalCommunicator(), team: model.team)
        var seen: [TrainingProgress] = []
        try trainer.run { seen.append($0) }
        #expect(seen.count == 10)
        for (progress, index) in zip(seen, 0...) {
            #expect(abs(progress.learningRate - curve.learningRates[index]) < 1e-12)
            #expect(abs(progress.loss - curve.losses[index]) < tolerance * curve.losses[index], "step \(index)")
            #expect(
                abs(progress.gradientNorm - curve.gradNorms[index]) < 10 * tolerance * curve.gradNorms[index],
                "step \(index)")
        }
        #expect(curve.losses[9] < 0.995 * curve.losses[0] || curve.losses[0] > 3)
    }

    func tiny() throws -> Decoder {
        try Decoder.load(ModelFiles.open(ParityFixture.path("tiny")), team: WorkerTeam(threads: 2))
    }

    /// The tiny model after a training of the fixture's neurons, whose curve is checked.
    func trainedNeurons() throws -> (model: Decoder, trainable: TrainableRows) {
        let model = try tiny()
        let trainable = try ParityFixture.mask("tiny-neurons", for: model)
        try check(
            ParityFixture.decode(ParityFixture.Curves.self, "tiny-curves.json").neft,
            rows: ParityFixture.decode([ParityFixture.Row].self, "rows.json"), model: model, trainable: trainable,
            tolerance: 1e-4)
        return (model, trainable)
    }

    @Test func neuronsOfATinyModel() throws {
        let (model, trainable) = try trainedNeurons()
        // The trained rows end where PyTorch's do, and all others have not moved.
        let (final, fresh) = (try ParityFixture.tensors("tiny-neft-final"), try tiny())
        for entry in trainable.entries {
            let parameter = model.parameters[entry.parameter]
            let values = parameter.tensor.values
            let rows = entry.rows!.flatMap { Array(values[Int($0) * entry.columns..<(Int($0) + 1) * entry.columns]) }
            #expect(relativeError(rows, try final.floats("\(parameter.module).weight").values) < 1e-4)
            let original = fresh.parameters[entry.parameter].tensor.values
            for row in 0..<Int32(parameter.rows) where !entry.rows!.contains(row) {
                let range = Int(row) * entry.columns..<(Int(row) + 1) * entry.columns
                #expect(bits(Array(values[range])) == bits(Array(original[range])))
            }
        }
    }

    /// Training copies the pages that hold trained rows; all others stay those of the file, which processes share.
    @Test func onlyPagesOfTrainedRowsBecomePrivate() throws {
        let (model, trainable) = try trainedNeurons()
        var pages = Set<UInt>()
        for entry in trainable.entries {
            for row in entry.rows! {
                let start = UInt(
                    bitPattern: model.parameters[entry.parameter].tensor.pointer + Int(row) * entry.columns)
                pages.formUnion(start / 4096...(start + UInt(entry.columns) * 4 - 1) / 4096)
            }
        }
        var (isFile, size, dirty) = (false, 0, 0)
        let mappings = try withExtendedLifetime(model) {
            let file = try #require(FileHandle(forReadingAtPath: "/proc/self/smaps"))
            return String(decoding: try #require(try file.readToEnd()), as: UTF8.self)
        }
        for line in mappings.split(separator: "\n") {
            let words = line.split(separator: " ")
            if words[0].contains("-") { isFile = line.hasSuffix("tiny/model.safetensors") }
            guard isFile, words.count > 1, let figure = Int(words[1]) else { continue }
            if words[0] == "Size:" { size += figure }
            if words[0] == "Private_Dirty:" { dirty += figure }
        }
        #expect(dirty == 4 * pages.count && dirty > 0 && dirty < size, "\(dirty) of \(size) KiB, \(pages.count) pages")
    }

    @Test func everyWeightOfATinyModel() throws {
        let model = try tiny()
        try check(
            ParityFixture.decode(ParityFixture.Curves.self, "tiny-curves.json").full,
            rows: ParityFixture.decode([ParityFixture.Row].self, "rows.json"), model: model,
            trainable: model.everyWeight, tolerance: 1e-4)
    }

    /// LoRA from an adapter that PEFT made.
    @Test func lowRankFactorsOfATinyModel() throws {
        let model = try tiny()
        try LowRankAdapterFiles.attach(ParityFixture.path("tiny-lora"), to: model) { "any" }
        try check(
            ParityFixture.decode(ParityFixture.Curve.self, "tiny-lora-curve.json"),
            rows: ParityFixture.decode([ParityFixture.Row].self, "rows.json"), model: model,
            trainable: model.lowRankRows, tolerance: 1e-4)
    }

    @Test(arguments: [true, false]) func theRealModel(neurons: Bool) throws {
        let model = try Decoder.load(ModelFiles.open(FixturePath.model), team: WorkerTeam(threads: 2))
        let real = try ParityFixture.decode(ParityFixture.Real.self, "real.json")
        try check(
            neurons ? real.neft : real.full, rows: real.rows, model: model,
            trainable: neurons ? try ParityFixture.mask("real-neurons", for: model) : model.everyWeight,
            tolerance: 1e-3)
    }
}
