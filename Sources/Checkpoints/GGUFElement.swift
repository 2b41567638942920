/// Element types of GGUF tensors that can be read; `quantise` says which can be written. A block type stores `blockSize` values in `blockBytes` bytes.
public enum GGUFElement: UInt32, CaseIterable, Sendable {
    /// Plain single precision.
    case f32 = 0
    /// IEEE half precision.
    case f16 = 1
    /// 4 bits a value, a scale for 32.
    case q4_0 = 2
    /// 4 bits a value, a scale and a minimum for 32.
    case q4_1 = 3
    /// 5 bits a value, a scale for 32.
    case q5_0 = 6
    /// 5 bits a value, a scale and a minimum for 32.
    case q5_1 = 7
    /// 8 bits a value, a scale for 32.
    case q8_0 = 8
    /// 4 bits a value, 6-bit scales and minima for 32 in blocks of 256.
    case q4_K = 12
    /// 5 bits a value, 6-bit scales and minima for 32 in blocks of 256.
    case q5_K = 13
    /// 6 bits a value, 8-bit scales for 16 in blocks of 256.
    case q6_K = 14
    /// The upper half of single precision.
    case bf16 = 30

    /// As llama.cpp writes it: `Q4_K`.
    public var name: String {
        switch self {
        case .f32: "F32"
        case .f16: "F16"
        case .q4_0: "Q4_0"
        case .q4_1: "Q4_1"
        case .q5_0: "Q5_0"
        case .q5_1: "Q5_1"
        case .q8_0: "Q8_0"
        case .q4_K: "Q4_K"
        case .q5_K: "Q5_K"
        case .q6_K: "Q6_K"
        case .bf16: "BF16"
        }
    }

    var blockSize: Int {
        switch self {
        case .f32, .f16, .bf16: 1
        case .q4_0, .q4_1, .q5_0, .q5_1, .q8_0: 32
        case .q4_K, .q5_K, .q6_K: 256
        }
    }

    var blockBytes: Int {
        switch self {
        case .f32: 4
        case .f16, .bf16: 2
        case .q4_0: 2 + 16  // scale, 32 nibbles
        case .q4_1: 2 + 2 + 16  // scale, minimum, 32 nibbles
        case .q5_0: 2 + 4 + 16  // scale, 32 fifth bits, 32 nibbles
        case .q5_1: 2 + 2 + 4 + 16  // scale, minimum, 32 fifth bits, 32 nibbles
        case .q8_0: 2 + 32  // scale, 32 signed bytes
        case .q4_K: 2 + 2 + 12 + 128  // scale, minimum, theirs for each 32 values, nibbles
        case .q5_K: 2 + 2 + 12 + 32 + 128  // the same, fifth bits before the nibbles
        case .q6_K: 128 + 64 + 16 + 2  // nibbles, upper bit pairs, scales for each 16 values, scale
        }
    }

    /// What GGUF calls a type that is not among these, for messages.
    static func nameOfUnsupported(_ type: UInt32) -> String {
        let names: [UInt32: String] = [
            9: "Q8_1", 10: "Q2_K", 11: "Q3_K", 15: "Q8_K", 16: "IQ2_XXS", 17: "IQ2_XS", 18: "IQ3_XXS", 19: "IQ1_S",
            20: "IQ4_NL", 21: "IQ3_S", 22: "IQ2_S",
            23: "IQ4_XS", 24: "I8", 25: "I16", 26: "I32", 27: "I64", 28: "F64", 29: "IQ1_M",
        ]
        return names[type] ?? "number \(type)"
    }

    /// Writes `count` values, a multiple of `blockSize`, to `out`; the same bits as the format's reference.
    func dequantise(_ source: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>, count: Int) {
        switch self {
        case .f32: UnsafeMutableRawPointer(out).copyMemory(from: source, byteCount: 4 * count)
        case .f16: widenFloat16(source, out, count: count)
        case .bf16: widenBFloat16(source, out, count: count)
        case .q4_0:
            forEachBlock(source, out, count) { block, out in
                let scale = Self.half(block)
                let nibbles = (block + 2).assumingMemoryBound(to: UInt8.self)
                for i in 0..<16 {
                    out[i] = Float(Int32(nibbles[i] & 15) - 8) * scale
                    out[i + 16] = Float(Int32(nibbles[i] >> 4) - 8) * scale
                }
            }
        case .q4_1:
            forEachBlock(source, out, count) { block, out in
                let (scale, minimum) = (Self.half(block), Self.half(block + 2))
                let nibbles = (block + 4).assumingMemoryBound(to: UInt8.self)
                for i in 0..<16 {
                    out[i] = Float(Int32(nibbles[i] & 15)) * scale + minimum
                    out[i + 16] = Float(Int32(nibbles[i] >> 4)) * scale + minimum
                }
            }
        case .q5_0:
            forEachBlock(source, out, count) { block, out in
                let scale = Self.half(block)
                Self.fiveBits(block + 2) { out[$0] = Float($1 - 16) * scale }
            }
        case .q5_1:
            forEachBlock(source, out, count) { block, out in
                let (scale, minimum) = (Self.half(block), Self.half(block + 2))
                Self.fiveBits(block + 4) { out[$0] = Float($1) * scale + minimum }
            }
        case .q8_0:
            forEachBlock(source, out, count) { block, out in
                let scale = Self.half(block)
                let bytes = (block + 2).assumingMemoryBound(to: Int8.self)
                for i in 0..<32 { out[i] = Float(bytes[i]) * scale }
            }
        case .q4_K: forEachBlock(source, out, count, Self.dequantiseQ4K)
        case .q5_K: forEachBlock(source, out, count, Self.dequantiseQ5K)
        case .q6_K: forEachBlock(source, out, count, Self.dequantiseQ6K)
        }
    }

    @inline(__always)
    private func forEachBlock(
        _ source: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>, _ count: Int,
        _ body: (UnsafeRawPointer, UnsafeMutablePointer<Float>) -> Void
    ) {
        let (size, bytes) = (blockSize, blockBytes)
        for block in 0..<count / size { body(source + block * bytes, out + block * size) }
    }

    /// The 32 numbers, 0 to 31, whose fifth bits and nibbles begin at `bytes`.
    @inline(__always)
    private static func fiveBits(_ bytes: UnsafeRawPointer, _ body: (_ index: Int, _ value: Int32) -> Void) {
        let fifth = UInt32(littleEndian: bytes.loadUnaligned(as: UInt32.self))
        let nibbles = (bytes + 4).assumingMemoryBound(to: UInt8.self)
        for i in 0..<16 {
            body(i, Int32(nibbles[i] & 15) | Int32(fifth >> UInt32(i) & 1) << 4)
            body(i + 16, Int32(nibbles[i] >> 4) | Int32(fifth >> UInt32(i + 16) & 1) << 4)
        }
    }

    @inline(__always) static func half(_ bytes: UnsafeRawPointer) -> Float {
        Float(Float16(bitPattern: bytes.loadUnaligned(as: UInt16.self)))
    }
}
