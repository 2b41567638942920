import Datasets
import Training

/// Rows of random tokens of one length, all but the first token in the loss; the same rows in every step.
struct RandomRows: TrainingData {
    let stepsPerEpoch = 1
    let maxMicroBatches: Int
    /// Tokens of a step.
    let tokens: Int
    private let batches: [PackedBatch]

    /// - Parameters:
    ///   - rows: of a micro-batch.
    ///   - length: tokens of a row, at least 2.
    init(rows: Int, length: Int, vocabulary: Int, microBatches: Int) {
        maxMicroBatches = microBatches
        tokens = rows * length * microBatches
        var random = SplitMix(state: 1)
        let isTarget = [false] + [Bool](repeating: true, count: length - 1)
        batches = (0..<microBatches).map { _ in
            PackedBatch(
                rows: (0..<rows).map { _ in
                    ((0..<length).map { _ in Int32.random(in: 0..<Int32(vocabulary), using: &random) }, isTarget)
                })
        }
    }

    func step(_ step: Int) -> TrainingStep {
        TrainingStep(
            microBatchCount: maxMicroBatches, targetTokens: batches.reduce(0) { $0 + $1.targetCount }, tokens: tokens
        ) { batches[$0] }
    }
}

/// SplitMix64 (Steele, Lea & Flood 2014).
private struct SplitMix: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}
