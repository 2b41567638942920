/// Which values of a matrix are dropped: decided by a hash of the seed and a value's place alone, so that every rank,
/// thread and pass decides alike.
public struct DropoutMask: Sendable {
    let seed: UInt32
    /// A hash below it drops its value.
    let threshold: UInt32
    /// What the others are multiplied with, `1 / (1 - rate)`.
    let scale: Float

    /// - Parameters:
    ///   - rate: share of the values to drop, in `0 ..< 1`.
    ///   - seed: equal seeds drop equal values.
    public init(rate: Double, seed: UInt64) {
        precondition(rate >= 0 && rate < 1, "DropoutMask: a rate of \(rate)")
        // Both halves count.
        self.seed = Self.mixed(UInt32(truncatingIfNeeded: seed) ^ Self.mixed(UInt32(truncatingIfNeeded: seed >> 32)))
        threshold = UInt32(rate * 4_294_967_296)
        scale = Float(1 / (1 - rate))
    }

    /// The final mix of MurmurHash3 (Appleby).
    @inline(__always)
    private static func mixed(_ value: UInt32) -> UInt32 {
        var h = value
        h = (h ^ (h >> 16)) &* 0x85EB_CA6B
        h = (h ^ (h >> 13)) &* 0xC2B2_AE35
        return h ^ (h >> 16)
    }

    /// What value `index` of the matrix is multiplied with: 0 or `scale`.
    @inline(__always)
    func factor(_ index: Int) -> Float {
        Self.mixed(UInt32(truncatingIfNeeded: index) &* 0x9E37_79B9 ^ seed) < threshold ? 0 : scale
    }
}

/// `out = mask · x` for `T` rows of `C` floats.
public func dropout(
    _ team: WorkerTeam, out: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, mask: DropoutMask, T: Int, C: Int
) {
    team.forEachBlock(of: T) { rows, _ in
        for i in rows.lowerBound * C..<rows.upperBound * C { out[i] = mask.factor(i) * x[i] }
    }
}

/// `out += mask · x`: the gradient of `dropout`'s input, added up.
public func dropoutAdd(
    _ team: WorkerTeam, out: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, mask: DropoutMask, T: Int, C: Int
) {
    team.forEachBlock(of: T) { rows, _ in
        for i in rows.lowerBound * C..<rows.upperBound * C { out[i] += mask.factor(i) * x[i] }
    }
}

/// `x *= factor`, `[count]`.
public func scaleInPlace(_ team: WorkerTeam, x: UnsafeMutablePointer<Float>, factor: Float, count: Int) {
    team.forEachBlock(of: count, block: 16_384) { range, _ in
        for i in range { x[i] *= factor }
    }
}
