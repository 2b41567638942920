import Datasets

/// The batches of a data set in the sampler's order.
public struct SampledRows: TrainingData {
    private let rows: [EncodedRow]
    /// Which rows make up which batch.
    public let sampler: Sampler
    /// The labels, ascending; empty unless every row has one.
    public let classes: [String]
    /// By row.
    private let rowClasses: [Int]

    /// Rows in the order that the seed decides; sizes in rows.
    public init(_ rows: [EncodedRow], seed: UInt64, globalBatch: Int, microBatch: Int) {
        self.rows = rows
        sampler = Sampler(rows, seed: seed, globalBatch: globalBatch, microBatch: microBatch)
        let labels = rows.compactMap(\.label)
        classes = labels.count == rows.count ? Set(labels).sorted() : []
        let numbers = Dictionary(uniqueKeysWithValues: zip(classes, 0...))
        rowClasses = classes.isEmpty ? [] : labels.map { numbers[$0] ?? 0 }
    }

    /// What two parts of a run have in common: the tokenised rows and how they are dealt into batches.
    public var resultFacts: [RunIdentity.Fact] {
        var hash: UInt64 = 14_695_981_039_346_656_037
        func add(_ value: UInt64) {
            hash = (hash ^ value) &* 1_099_511_628_211
            hash ^= hash >> 29
        }
        for row in rows {
            add(UInt64(row.tokens.count))
            for (token, isTarget) in zip(row.tokens, row.isTarget) {
                add(UInt64(UInt32(bitPattern: token)) << 1 | (isTarget ? 1 : 0))
            }
        }
        return [
            .init("--seed", "\(sampler.seed)"), .init("--global-batch", "\(sampler.globalBatch)"),
            .init("--micro-batch", "\(sampler.microBatch)"),
            .init("tokenised rows", "\(rows.count) with hash \(String(hash, radix: 16))"),
        ]
    }

    /// Steps of one pass over the rows.
    public var stepsPerEpoch: Int { sampler.stepsPerEpoch }
    /// Most micro-batches of a step.
    public var maxMicroBatches: Int { sampler.maxMicroBatches }

    /// The batch of a step, from 0: the same on every rank.
    public func step(_ step: Int) -> TrainingStep {
        let batch = sampler.batch(at: step)
        return TrainingStep(
            microBatchCount: batch.microBatches.count, targetTokens: batch.targetCount, tokens: batch.tokenCount,
            rowClasses: { index in rowClasses.isEmpty ? [] : batch.microBatches[index].map { rowClasses[$0] } }
        ) { index in
            var packed = PackedBatch(batch.microBatches[index].map { rows[$0] })
            let place = UInt64(step) << 24 | UInt64(index)
            packed.seed = (sampler.seed &+ 1) &* 0xD134_2543_DE82_EF95 ^ place &* 0x9E37_79B9_7F4A_7C15
            return packed
        }
    }
}
