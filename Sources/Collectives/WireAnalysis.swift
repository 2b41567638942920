import CKernels
import Glibc
import Kernels

/// What the codec makes of some values, beside what is possible without a model of their context.
public struct WireAnalysis: Equatable, Sendable {
    /// What the values are.
    public enum Content: String, CaseIterable, Sendable {
        /// Gradients in fp32, or new weights as changes of the old ones' bit patterns.
        case gradient, delta
        /// Gradients rounded to bfloat16.
        case gradient16 = "bf16-gradient"
        /// New weights as changes of the old ones' bit patterns, in bfloat16.
        case delta16 = "bf16-delta"
    }

    /// One byte of every value, coded by itself.
    public struct Plane: Equatable, Sendable {
        /// Order-0 entropy of a frame's bytes and what they were coded to, bits per byte; means over the frames.
        public let entropy: Double
        /// What a byte of the plane was coded to, bits.
        public let coded: Double
    }

    /// What was coded.
    public let content: Content
    /// Of fp32 values.
    public let plainBytes: Int
    /// Of the coded frames, headers included.
    public let codedBytes: Int
    /// Lowest byte first.
    public let planes: [Plane]
    /// Rounding and differences included; of the plain bytes.
    public let encodeSeconds: Double
    /// Back to the values, checks included.
    public let decodeSeconds: Double

    /// Plain bytes divided by coded bytes.
    public var ratio: Double { codedBytes == 0 ? 1 : Double(plainBytes) / Double(codedBytes) }
    /// Bits per value if every plane had its entropy, or was stored where that is 8.
    public var entropyBits: Double { planes.reduce(0) { $0 + $1.entropy } }
    /// Bits that a value took.
    public var codedBits: Double { plainBytes == 0 ? 0 : Double(codedBytes) / Double(plainBytes) * 32 }

    /// - Parameters:
    ///   - content: what the values are.
    ///   - values: gradients, or new weights.
    ///   - base: `[values.count]`, for `delta` and `delta16`: the weights before.
    public init(
        _ content: Content, values: UnsafeBufferPointer<Float>, base: UnsafeBufferPointer<Float>
    ) throws(CollectiveError) {
        precondition(values.count == base.count, "WireAnalysis: lengths differ")
        let codec = PlaneCodec()
        let (kind, size): (FrameHeader.Content, Int) =
            switch content {
            case .gradient: (.gradient, 4)
            case .delta: (.delta, 4)
            case .gradient16: (.gradient16, 2)
            case .delta16: (.delta16, 2)
            }
        let frame = PlaneCodec.frameValues
        let (words, present) = (TensorStorage(count: frame), TensorStorage(count: frame))
        let decoded = TensorStorage(count: frame)
        let message = UnsafeMutableRawBufferPointer.allocate(byteCount: PlaneCodec.frameBound(frame), alignment: 64)
        defer { message.deallocate() }
        var (coded, bits) = ([Double](repeating: 0, count: size), [Double](repeating: 0, count: size))
        var (bytes, encode, decode) = (0, Duration.zero, Duration.zero)
        for start in stride(from: 0, to: values.count, by: frame) {
            let count = min(frame, values.count - start)
            guard let new = values.baseAddress.map({ $0 + start }), let old = base.baseAddress.map({ $0 + start })
            else { break }
            var clock = ContinuousClock.now
            Self.prepare(kind, new, old, words.pointer, present.pointer, count)
            let length = codec.encode(
                words.pointer.words, count: count, content: kind, to: message.baseAddress!)
            encode += ContinuousClock.now - clock
            bytes += length
            clock = ContinuousClock.now
            _ = try codec.decode(
                UnsafeRawBufferPointer(start: message.baseAddress, count: length), count: count, content: kind,
                to: decoded.pointer.words, sender: 0)
            decode += ContinuousClock.now - clock
            let header: FrameHeader
            do {
                header = try FrameHeader.read(.init(message), count: count, content: kind)
            } catch {
                throw CollectiveError(subject: "coded frame", found: error.found, expected: error.expected)
            }
            for plane in 0..<size {
                coded[plane] += Double(header.planeSizes[plane]) * 8
                bits[plane] += Self.entropy(words.pointer.words, count: count, plane: plane, kind) * Double(count)
            }
        }
        self.content = content
        plainBytes = values.count * 4
        codedBytes = bytes
        planes = zip(bits, coded).map {
            Plane(entropy: $0 / Double(max(values.count, 1)), coded: $1 / Double(max(values.count, 1)))
        }
        encodeSeconds = encode.seconds
        decodeSeconds = decode.seconds
    }

    private static func prepare(
        _ content: FrameHeader.Content, _ new: UnsafePointer<Float>, _ old: UnsafePointer<Float>,
        _ words: UnsafeMutablePointer<Float>, _ present: UnsafeMutablePointer<Float>, _ count: Int
    ) {
        switch content {
        case .gradient: words.update(from: new, count: count)
        case .delta: neft_delta_encode(new.words, old.words, words.words, count)
        case .gradient16: neft_bf16_round(new, words.words, count)
        case .delta16:
            neft_bf16_round(new, words.words, count)
            neft_bf16_round(old, present.words, count)
            neft_delta16_encode(words.words, present.words, words.words, count)
        }
    }

    private static func entropy(
        _ words: UnsafePointer<UInt32>, count: Int, plane: Int, _ content: FrameHeader.Content
    ) -> Double {
        var histogram = [Int](repeating: 0, count: 256)
        let width = UInt32(8 * content.planeCount)
        for index in 0..<count {
            let word = words[index]
            let turned = content.isRotated ? word << 1 | word >> (width - 1) : word
            histogram[Int(turned >> (8 * UInt32(plane)) & 0xFF)] += 1
        }
        return histogram.reduce(0) { sum, n in
            let share = Double(n) / Double(count)
            return n == 0 ? sum : sum - share * log2(share)
        }
    }
}
