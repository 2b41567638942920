import Collectives
import Datasets
import Kernels
import Models

/// Times training steps, and the same steps' matrix products alone.
///
/// A step is what `Trainer` does: forward, backward, exchange, norm, clipping, AdamW, up to the new weights. After each
/// step its exact list of GEMM calls, with the same operands, is run again without anything between: the time no step of
/// this kind can go below on this machine. All ranks of a communicator measure together, each its own products.
public struct StepBenchmark {
    /// What was measured.
    public struct Result: Sendable, Codable, Equatable {
        /// Tokens of all ranks' rows per second of a step.
        public var tokensPerSecond: Double
        /// Medians.
        public var stepSeconds: Double
        /// Of the products alone.
        public var gemmSeconds: Double
        /// Median over the steps of GEMM time / step time.
        public var gemmShare: Double
        /// Floating-point operations of a step's products, in 1e9.
        public var gemmGigaflop: Double
        /// Tokens of a step, over all ranks.
        public var tokens: Int
        /// Of them, those in the loss.
        public var targetTokens: Int
        /// Trained values.
        public var trainedParameters: Int
        /// Of each rank.
        public var threads: Int
        /// Number of ranks.
        public var ranks: Int
        /// Steps that were timed.
        public var steps: Int
    }

    private let model: any LanguageModel
    private let trainable: TrainableRows
    private let communicator: any Communicator
    private let team: WorkerTeam

    /// - Parameters:
    ///   - model: the model.
    ///   - trainable: the rows to train.
    ///   - communicator: the ranks of the run.
    ///   - team: the one the model computes on.
    public init(
        model: any LanguageModel, trainable: TrainableRows, communicator: any Communicator, team: WorkerTeam
    ) {
        self.model = model
        self.trainable = trainable
        self.communicator = communicator
        self.team = team
    }

    /// Runs `warmup` steps uncounted, then `steps` counted ones. The model's trained rows change. Collective.
    public func run(
        data: any TrainingData, warmup: Int = 2, steps: Int = 5, report: (_ step: Int, _ of: Int) -> Void = { _, _ in }
    ) throws -> Result {
        precondition(warmup >= 0 && steps >= 1, "StepBenchmark: \(steps) steps")
        var configuration = TrainingConfiguration(method: .neft, learningRate: 1e-6)
        configuration.maxSteps = warmup + steps
        configuration.epochs = warmup + steps
        let trainer = try Trainer(
            model: model, trainable: trainable, data: data, configuration: configuration,
            communicator: communicator, team: team)
        var (seconds, products, tokens, targets): ([Double], [Double], Int, Int) = ([], [], 0, 0)
        var flops = 0.0
        let log = GEMMLog(threads: team.threads)
        for step in 0..<warmup + steps {
            log.removeAll()
            communicator.barrier()
            team.gemmLog = log
            defer { team.gemmLog = nil }
            let progress = try trainer.performStep()
            team.gemmLog = nil
            let start = ContinuousClock.now
            log.replay(on: team)
            let replayed = (ContinuousClock.now - start).inSeconds
            report(step + 1, warmup + steps)
            guard step >= warmup else { continue }
            seconds.append(progress.stepSeconds)
            products.append(replayed)
            tokens += progress.tokens
            targets += progress.targetTokens
            flops += log.flops
        }
        func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
        let step = median(seconds)
        return Result(
            tokensPerSecond: Double(tokens) / Double(steps) / step, stepSeconds: step, gemmSeconds: median(products),
            gemmShare: median(zip(products, seconds).map { $0 / $1 }), gemmGigaflop: flops / Double(steps) / 1e9,
            tokens: tokens / steps, targetTokens: targets / steps, trainedParameters: trainable.count,
            threads: team.threads, ranks: communicator.size, steps: steps)
    }
}

/// The same packed batch as every micro-batch of every step.
public struct RepeatedBatch: TrainingData {
    private let batch: PackedBatch
    /// How often a step holds the batch.
    public let maxMicroBatches: Int

    /// A data set of one step, which holds the batch so many times.
    public init(_ batch: PackedBatch, microBatches: Int = 1) {
        self.batch = batch
        maxMicroBatches = microBatches
    }

    /// One.
    public var stepsPerEpoch: Int { 1 }

    /// The same for every step.
    public func step(_ step: Int) -> TrainingStep {
        TrainingStep(
            microBatchCount: maxMicroBatches, targetTokens: maxMicroBatches * batch.targetCount,
            tokens: maxMicroBatches * batch.rowTokenCount
        ) { _ in batch }
    }
}
