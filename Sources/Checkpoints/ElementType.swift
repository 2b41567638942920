import CKernels
import Kernels

/// Element types of safetensors files that can be read as weights, and `I32` for row numbers.
public enum ElementType: String, Sendable, CaseIterable {
    /// IEEE single precision.
    case float32 = "F32"
    /// IEEE half precision.
    case float16 = "F16"
    /// The upper half of a single-precision number.
    case bfloat16 = "BF16"
    /// IEEE double precision: scores of profiles.
    case float64 = "F64"
    /// Signed whole numbers: row numbers.
    case int32 = "I32"

    /// Bytes of one element.
    public var byteCount: Int {
        switch self {
        case .float64: 8
        case .float32, .int32: 4
        case .float16, .bfloat16: 2
        }
    }

    /// Types that weights can be written in.
    public static let weights: [ElementType] = [.float32, .float16, .bfloat16]

    /// Writes `count` values to `out`, rounded to nearest, ties to even.
    /// - Returns: the first finite value that the type has no finite one for, if there is one.
    func narrow(_ source: UnsafePointer<Float>, _ out: UnsafeMutableRawPointer, count: Int) -> Float? {
        switch self {
        case .float32: out.copyMemory(from: source, byteCount: 4 * count)
        case .float16: return narrowFloat16(source, out, count: count)
        case .bfloat16: narrowBFloat16(source, out, count: count)
        case .float64, .int32: preconditionFailure("ElementType: \(self) is no type of weights")
        }
        return nil
    }
}

/// Widens `count` half-precision values.
func widenFloat16(_ source: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count {
        out[i] = Float(Float16(bitPattern: source.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)))
    }
}

/// Widens `count` bfloat16 values.
func widenBFloat16(_ source: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>, count: Int) {
    for i in 0..<count {
        out[i] = Float(bitPattern: UInt32(source.loadUnaligned(fromByteOffset: 2 * i, as: UInt16.self)) << 16)
    }
}

/// Rounds `count` values to half precision, to nearest, ties to even.
/// - Returns: the first finite value that half precision has no finite one for, if there is one.
func narrowFloat16(_ source: UnsafePointer<Float>, _ out: UnsafeMutableRawPointer, count: Int) -> Float? {
    for i in 0..<count {
        let half = Float16(source[i])
        if half.isInfinite, source[i].isFinite { return source[i] }
        out.storeBytes(of: half.bitPattern, toByteOffset: 2 * i, as: UInt16.self)
    }
    return nil
}

/// Rounds `count` values to bfloat16, to nearest, ties to even.
func narrowBFloat16(_ source: UnsafePointer<Float>, _ out: UnsafeMutableRawPointer, count: Int) {
    neft_bf16_from_floats(source, out.assumingMemoryBound(to: BFloat16Bits.self), count)
}
