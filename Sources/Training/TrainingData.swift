import Datasets

/// The global batch of one optimizer step, cut into micro-batches: the same on every rank, whatever their number.
public struct TrainingStep {
    /// Number of micro-batches, at least 1. They are the leaves of the tree that the ranks share (`LeafTree`).
    public let microBatchCount: Int
    /// Predicted tokens of the global batch, at least 1; the loss is divided by them.
    public let targetTokens: Int
    /// Tokens of the global batch's rows.
    public let tokens: Int
    /// Packs micro-batch `0 ..< microBatchCount`.
    public let microBatch: (Int) -> PackedBatch
    /// The class of each row of micro-batch `0 ..< microBatchCount`, by its number in `TrainingData.classes`; empty where
    /// rows have no classes.
    public let rowClasses: (Int) -> [Int]

    /// A step by its parts; the closures must be pure.
    public init(
        microBatchCount: Int, targetTokens: Int, tokens: Int, rowClasses: @escaping (Int) -> [Int] = { _ in [] },
        microBatch: @escaping (Int) -> PackedBatch
    ) {
        precondition(
            microBatchCount >= 1 && targetTokens >= 1,
            "TrainingStep: \(microBatchCount) micro-batches with \(targetTokens) targets")
        self.microBatchCount = microBatchCount
        self.targetTokens = targetTokens
        self.tokens = tokens
        self.microBatch = microBatch
        self.rowClasses = rowClasses
    }
}

/// Where a run's batches come from. A function of the step number alone, equal on every rank.
public protocol TrainingData {
    /// Steps of one pass over the data, at least 1.
    var stepsPerEpoch: Int { get }
    /// The most micro-batches of any step.
    var maxMicroBatches: Int { get }
    /// The batch of step `step` (from 0); beyond the first epoch it goes on with the next.
    func step(_ step: Int) -> TrainingStep
    /// Names of the classes that rows are labelled with; empty where they are not.
    var classes: [String] { get }
}

extension TrainingData {
    /// None.
    public var classes: [String] { [] }
}
