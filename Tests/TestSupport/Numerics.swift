import Kernels

/// SplitMix64: repeatable numbers for tests.
public struct TestRandom: RandomNumberGenerator {
    private var state: UInt64
    public init(_ seed: UInt64) { state = seed }
    public mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var z = state
        z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
        z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
        return z ^ (z >> 31)
    }
}

/// `count` floats uniform in `-scale ..< scale`.
public func randomFloats(_ count: Int, seed: UInt64, scale: Float = 1) -> [Float] {
    var random = TestRandom(seed)
    return (0..<count).map { _ in Float.random(in: -scale..<scale, using: &random) }
}

/// `‖a − b‖ / ‖b‖` in Double; NaN anywhere gives infinity, so that no comparison passes by accident.
public func relativeError(_ a: [Float], _ b: [Float]) -> Double {
    precondition(a.count == b.count, "relativeError: \(a.count) and \(b.count) values")
    var (difference, norm) = (0.0, 0.0)
    for (x, y) in zip(a, b) {
        difference += (Double(x) - Double(y)) * (Double(x) - Double(y))
        norm += Double(y) * Double(y)
    }
    let result = (difference / max(norm, 1e-300)).squareRoot()
    return result.isNaN ? .infinity : result
}

/// Bit patterns, for comparisons that must be exact.
public func bits(_ values: [Float]) -> [UInt32] { values.map(\.bitPattern) }

/// Central differences of `f` at `x` along each of `indices`, with f in Double.
public func finiteDifferences(
    of f: ([Float]) -> Double, at x: [Float], indices: [Int], step: Float = 1e-2
) -> [Float] {
    indices.map { i in
        var (plus, minus) = (x, x)
        plus[i] += step
        minus[i] -= step
        return Float((f(plus) - f(minus)) / Double(plus[i] - minus[i]))
    }
}

/// Σ a · b in Double: turns a kernel's output into a scalar for finite differences.
public func dot(_ a: [Float], _ b: [Float]) -> Double { zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) } }
