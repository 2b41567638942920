import Collectives

/// A claim that did not hold.
struct Failure: Error, CustomStringConvertible {
    let description: String
}

func require(_ holds: Bool, _ claim: @autoclosure () -> String) throws {
    guard holds else { throw Failure(description: "does not hold: \(claim())") }
}

/// A stream of numbers that depends on its seed alone (SplitMix64), the same on every rank.
struct Stream: RandomNumberGenerator {
    private var state: UInt64

    init(_ seeds: Int...) {
        state = 0x9E37_79B9
        for seed in seeds { state = (state ^ UInt64(truncatingIfNeeded: seed)) &* 0x2545_F491_4F6C_DD1D &+ 0x632B_E5AB }
    }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }

    /// A float like a gradient's: either sign, magnitudes over several octaves, so that the order of a sum shows.
    mutating func gradient() -> Float {
        let word = next()
        let fraction = Float(word & 0xFF_FFFF) / 0x100_0000
        let octave = Float(1 << Int((word >> 24) % 12))
        return (word >> 63 == 0 ? 1 : -1) * (fraction + 0.01) * octave * 1e-5
    }
}

/// The gradient of a leaf, the same on whichever rank it is computed. Negative zeros show whether an absent partial sum
/// was added as zeros.
func leafGradient(_ leaf: Int, count: Int, seed: Int) -> [Float] {
    var stream = Stream(seed, leaf, count)
    return (0..<count).map { index in index % 97 == 0 ? -0.0 : stream.gradient() }
}

func plus(_ left: [Float]?, _ right: [Float]?) -> [Float]? {
    guard let left, let right else { return left ?? right }
    return zip(left, right).map { $0 + $1 }
}

/// The sum of leaves by the definition of the tree, without any of the code under test.
func naiveSum(_ leaves: [[Float]]) -> [Float]? {
    if leaves.count < 2 { return leaves.first }
    let half = (leaves.count + 1) / 2
    return plus(naiveSum(Array(leaves[..<half])), naiveSum(Array(leaves[half...])))
}

/// The sum over ranks of partial sums, those of absent ranks `nil`.
func naiveRankSum(_ partials: [[Float]?]) -> [Float]? {
    if partials.count == 1 { return partials[0] }
    let half = (partials.count + 1) / 2
    return plus(naiveRankSum(Array(partials[..<half])), naiveRankSum(Array(partials[half...])))
}

/// The first index where the bits differ.
func firstDifference(_ a: some Collection<Float>, _ b: some Collection<Float>) -> Int? {
    if a.count != b.count { return min(a.count, b.count) }
    return zip(a, b).enumerated().first { $0.element.0.bitPattern != $0.element.1.bitPattern }?.offset
}
