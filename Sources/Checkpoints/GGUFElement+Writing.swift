import Kernels

extension GGUFElement {
    /// Types that can be written.
    public static let writable: [GGUFElement] = [.f32, .f16, .bf16, .q8_0]

    /// Bytes of a tensor, `[out, in]`; nil where its rows are not whole blocks or the number is too large.
    func byteCount(shape: [Int]) -> Int? {
        let columns = shape.last ?? 1
        guard columns % blockSize == 0 else { return nil }
        var count = columns / blockSize * blockBytes
        for dimension in shape.dropLast() {
            let (product, overflow) = count.multipliedReportingOverflow(by: dimension)
            if overflow { return nil }
            count = product
        }
        return count
    }

    /// Writes `count` values, a multiple of `blockSize`, to `out`: the same bits as the format's reference.
    /// - Returns: the first finite value that the type has no finite one for, if there is one; `out` is not complete then.
    public func quantise(_ source: UnsafePointer<Float>, _ out: UnsafeMutableRawPointer, count: Int) -> Float? {
        switch self {
        case .f32: out.copyMemory(from: source, byteCount: 4 * count)
        case .f16: return narrowFloat16(source, out, count: count)
        case .bf16: narrowBFloat16(source, out, count: count)
        case .q8_0: return Self.quantiseQ8(source, out, count: count)
        default: preconditionFailure("GGUFElement: \(name) cannot be written")
        }
        return nil
    }

    /// ggml's `quantize_row_q8_0_ref`: a half-precision scale, then 32 signed bytes, ties away from zero.
    private static func quantiseQ8(_ source: UnsafePointer<Float>, _ out: UnsafeMutableRawPointer, count: Int) -> Float?
    {
        for block in 0..<count / 32 {
            let values = source + 32 * block
            let bytes = out + 34 * block
            var largest: Float = 0
            for i in 0..<32 { largest = max(largest, abs(values[i])) }
            let scale = largest / 127
            let half = Float16(scale)
            if half.isInfinite || !largest.isFinite { return largest }
            let inverse = scale != 0 ? 1 / scale : 0
            bytes.storeBytes(of: half.bitPattern, as: UInt16.self)
            for i in 0..<32 {
                // Within ±127 but for the rounding of the quotient, and where a scale is so small that its inverse is infinite.
                let quotient = (values[i] * inverse).rounded(.toNearestOrAwayFromZero)
                let byte = quotient.isFinite ? Int8(max(-127, min(127, quotient))) : 0
                bytes.storeBytes(of: byte, toByteOffset: 2 + i, as: Int8.self)
            }
        }
        return nil
    }
}
