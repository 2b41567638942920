import Datasets
import Models

extension PackedBatch {
    /// Rows of random tokens, all but the first token of a row in the loss; the same for a seed.
    /// `length`: tokens of a row, at least 2.
    static func random(rows: Int, length: Int, vocabulary: Int, seed: UInt64) -> PackedBatch {
        var random = SplitMix64(seed: seed)
        let isTarget = [false] + [Bool](repeating: true, count: length - 1)
        return PackedBatch(
            rows: (0..<rows).map { _ in
                ((0..<length).map { _ in Int32.random(in: 0..<Int32(vocabulary), using: &random) }, isTarget)
            })
    }
}
