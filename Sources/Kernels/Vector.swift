/// Sixteen floats: two AVX2 registers or one of AVX-512.
@usableFromInline typealias Float16x = SIMD16<Float>

extension UnsafePointer where Pointee == Float {
    @inline(__always) func load16(_ index: Int) -> Float16x {
        UnsafeRawPointer(self + index).loadUnaligned(as: Float16x.self)
    }
}

extension UnsafeMutablePointer where Pointee == Float {
    @inline(__always) func load16(_ index: Int) -> Float16x {
        UnsafeRawPointer(self + index).loadUnaligned(as: Float16x.self)
    }
    @inline(__always) func store16(_ value: Float16x, at index: Int) {
        UnsafeMutableRawPointer(self + index).storeBytes(of: value, as: Float16x.self)
    }
}

/// eˣ for sixteen values: Cody–Waite reduction by ln 2, rounding by a magic number, a degree-6 polynomial.
/// Relative error at most 2e-7 on [-87, 88]; below -87 the result is that of -87 (1.6e-38), above 88 that of 88.
@inline(__always)
func exp16(_ value: Float16x) -> Float16x {
    let low = Float16x(repeating: -87)
    let high = Float16x(repeating: 88)
    var x = value.replacing(with: low, where: value .< low)
    x = x.replacing(with: high, where: x .> high)
    let magic = Float16x(repeating: 12_582_912)  // 1.5 · 2²³: adding it leaves the rounded integer in the low bits
    let shifted = magic.addingProduct(x, Float16x(repeating: 1.442_695_04))
    let n = shifted - magic
    var r = x.addingProduct(n, Float16x(repeating: -0.693_359_375))
    r = r.addingProduct(n, Float16x(repeating: 2.121_944_4e-4))
    var p = Float16x(repeating: 1.388_889_0e-3)
    p = Float16x(repeating: 8.333_333_3e-3).addingProduct(p, r)
    p = Float16x(repeating: 4.166_666_7e-2).addingProduct(p, r)
    p = Float16x(repeating: 1.666_666_7e-1).addingProduct(p, r)
    p = Float16x(repeating: 0.5).addingProduct(p, r)
    p = Float16x(repeating: 1).addingProduct(p, r)
    p = Float16x(repeating: 1).addingProduct(p, r)
    let exponent = unsafeBitCast(shifted, to: SIMD16<Int32>.self) &<< 23
    return unsafeBitCast(unsafeBitCast(p, to: SIMD16<Int32>.self) &+ exponent, to: Float16x.self)
}

/// One value of `exp16`, the same bits as in a vector.
@inline(__always) func exp1(_ x: Float) -> Float { exp16(Float16x(repeating: x))[0] }

/// Σ in a fixed order: 16 partial sums, then pairwise.
@inline(__always)
func sum16(_ v: Float16x) -> Float {
    let a = v.lowHalf + v.highHalf
    let b = a.lowHalf + a.highHalf
    let c = b.lowHalf + b.highHalf
    return c[0] + c[1]
}

/// Largest lane.
@inline(__always)
func max16(_ v: Float16x) -> Float {
    var best = v[0]
    for lane in 1..<16 { best = max(best, v[lane]) }
    return best
}
