import Datasets

/// The batches of a data set in the sampler's order.
public struct SampledRows: TrainingData {
    private let rows: [EncodedRow]
    public let sampler: Sampler

    public init(_ rows: [EncodedRow], seed: UInt64, globalBatch: Int, microBatch: Int) {
        self.rows = rows
        sampler = Sampler(rows, seed: seed, globalBatch: globalBatch, microBatch: microBatch)
    }

    public var stepsPerEpoch: Int { sampler.stepsPerEpoch }
    public var maxMicroBatches: Int { sampler.maxMicroBatches }

    public func step(_ step: Int) -> TrainingStep {
        let batch = sampler.batch(at: step)
        return TrainingStep(
            microBatchCount: batch.microBatches.count, targetTokens: batch.targetCount, tokens: batch.tokenCount
        ) { index in PackedBatch(batch.microBatches[index].map { rows[$0] }) }
    }
}
