import Datasets

extension PackedBatch {
    /// Rows of random tokens, all but the first token of a row in the loss; the same for a seed.
    /// - Parameter length: tokens of a row, at least 2.
    static func random(rows: Int, length: Int, vocabulary: Int, seed: UInt64) -> PackedBatch {
        var random = SplitMix(state: seed)
        let isTarget = [false] + [Bool](repeating: true, count: length - 1)
        return PackedBatch(
            rows: (0..<rows).map { _ in
                ((0..<length).map { _ in Int32.random(in: 0..<Int32(vocabulary), using: &random) }, isTarget)
            })
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
