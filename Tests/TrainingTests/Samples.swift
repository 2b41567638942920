import Collectives
import Datasets
import Kernels
import Models
import Neurons
import TestSupport

@testable import Training

/// Rows of a toy language in which a token decides the next one, so that there is something to learn.
struct ToyData: TrainingData {
    let stepsPerEpoch: Int
    let maxMicroBatches: Int
    private let rows: [[(tokens: [Int32], isTarget: [Bool])]]

    /// - Parameter microBatches: rows are dealt into so many micro-batches per step; their lengths vary.
    init(steps: Int = 4, microBatches: Int = 4, rowsPerMicroBatch: Int = 2, seed: UInt64 = 5) {
        var random = TestRandom(seed)
        stepsPerEpoch = steps
        maxMicroBatches = microBatches
        rows = (0..<steps * microBatches).map { _ in
            (0..<rowsPerMicroBatch).map { _ in
                var tokens = [Int32.random(in: 0..<67, using: &random)]
                for _ in 0..<Int.random(in: 5..<13, using: &random) { tokens.append((tokens.last! * 5 + 3) % 67) }
                return (tokens, tokens.indices.map { $0 > 1 })
            }
        }
    }

    func microBatches(_ step: Int) -> [PackedBatch] {
        let first = step % stepsPerEpoch * maxMicroBatches
        return rows[first..<first + maxMicroBatches].map { PackedBatch(rows: $0) }
    }

    func step(_ step: Int) -> TrainingStep {
        let batches = microBatches(step)
        return TrainingStep(
            microBatchCount: batches.count, targetTokens: batches.reduce(0) { $0 + $1.targetCount },
            tokens: batches.reduce(0) { $0 + $1.rowTokenCount }, microBatch: { batches[$0] })
    }
}

/// Every third row of some projections of the tiny decoder, with neighbours among them, and their biases.
func someRows(of model: any LanguageModel) -> TrainableRows {
    let selection = model.projections.filter { $0.parameter % 3 != 1 }.flatMap { entry in
        ([entry.parameter] + (entry.bias.map { [$0] } ?? [])).map {
            (parameter: $0, rows: (0..<Int32(entry.rows)).filter { $0 % 5 < 2 } as [Int32]?)
        }
    }
    return TrainableRows(selection: selection.sorted { $0.parameter < $1.parameter }, parameters: model.parameters)
}

/// The bits of every weight.
func weightBits(_ model: any LanguageModel) -> [[UInt32]] {
    model.parameters.map { $0.tensor.values.map(\.bitPattern) }
}

/// A small run on `communicator`, with what it reported and left in the model.
struct ToyRun: Sendable {
    var progress: [TrainingProgress] = []
    var weights: [[UInt32]] = []
    var summary = TrainingSummary()
    var error: String?

    /// Nothing yet.
    static var empty: ToyRun { ToyRun() }

    private init() {}

    init(
        _ configuration: TrainingConfiguration, communicator: any Communicator, data: ToyData = ToyData(),
        trainable: (Decoder) -> TrainableRows = { someRows(of: $0) }, form: TinyForm = .llama, threads: Int = 1,
        bucketValues: Int? = nil,
        report: (TrainingProgress, any LanguageModel) throws -> Void = { _, _ in }
    ) {
        let model = makeTinyDecoder(form, threads: threads)
        do {
            let trainer = try Trainer(
                model: model, trainable: trainable(model), data: data, configuration: configuration,
                communicator: communicator, team: model.team, bucketValues: bucketValues)
            summary = try trainer.run {
                progress.append($0)
                try report($0, model)
            }
        } catch {
            self.error = "\(error)"
        }
        weights = weightBits(model)
    }

    /// What must not depend on the number of ranks: losses and norms by their bits.
    var figures: [[UInt64]] { progress.map { [$0.loss.bitPattern, $0.gradientNorm.bitPattern, UInt64($0.tokens)] } }
}

extension TrainingConfiguration {
    /// A rate at which the toy data is learned in a few steps.
    static func toy(_ method: TrainingMethod = .neft, steps: Int = 6) -> TrainingConfiguration {
        var configuration = TrainingConfiguration(method: method, learningRate: 1e-2)
        configuration.epochs = 100
        configuration.maxSteps = steps
        return configuration
    }
}
