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
