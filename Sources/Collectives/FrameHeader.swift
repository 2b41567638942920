/// The 40 bytes before the planes of a coded frame. Little-endian, as are all machines it travels
/// between:
///
/// | offset | bytes | field |
/// |---|---|---|
/// | 0 | 4 | magic `NFPL` |
/// | 4 | 1 | version, 2 |
/// | 5 | 1 | content: 1 gradients (words rotated left by one), 2 weight deltas, 3 and 4 the same in 16 bits |
/// | 6 | 1 | planes with exceptions, a bit each, plane 0 the lowest (see `PlaneCodec`) |
/// | 7 | 1 | 0 |
/// | 8 | 8 | number of words |
/// | 16 | 16 | size of each plane, lowest byte first: the number of words if plain, less if coded; 0 if there is none |
/// | 32 | 8 | checksum of the decoded words |
struct FrameHeader: Equatable {
    static let byteCount = 40
    private static let magic: UInt32 = 0x4C50_464E
    private static let version: UInt8 = 2

    enum Content: UInt8 {
        case gradient = 1
        case delta = 2
        case gradient16 = 3
        case delta16 = 4

        /// Bytes of a word.
        var planeCount: Int {
            switch self {
            case .gradient, .delta: 4
            case .gradient16, .delta16: 2
            }
        }

        /// Whether words are rotated, so that the eight exponent bits fill the highest byte.
        var isRotated: Bool {
            switch self {
            case .gradient, .gradient16: true
            case .delta, .delta16: false
            }
        }

        /// Whether what travels is a difference from values that both sides have.
        var isDelta: Bool { !isRotated }
    }

    var content: Content
    var count: Int
    /// Lowest byte first.
    var planeSizes: SIMD4<UInt32>
    /// Planes with exceptions, a bit each.
    var escapedPlanes: UInt8 = 0
    var checksum: UInt64

    func write(to bytes: UnsafeMutableRawPointer) {
        bytes.storeBytes(of: Self.magic, as: UInt32.self)
        bytes.storeBytes(of: Self.kind(content), toByteOffset: 4, as: UInt16.self)
        bytes.storeBytes(of: UInt16(escapedPlanes), toByteOffset: 6, as: UInt16.self)
        bytes.storeBytes(of: UInt64(count), toByteOffset: 8, as: UInt64.self)
        bytes.storeBytes(of: planeSizes, toByteOffset: 16, as: SIMD4<UInt32>.self)
        bytes.storeBytes(of: checksum, toByteOffset: 32, as: UInt64.self)
    }

    /// Reads the header at the start of `bytes` and checks it: all of its fields but the checksum are known to be good.
    static func read(_ bytes: UnsafeRawBufferPointer, count: Int, content: Content) throws(Fault) -> FrameHeader {
        guard bytes.count >= byteCount else {
            throw Fault(found: "\(bytes.count) bytes", expected: "a header of \(byteCount)")
        }
        guard bytes.loadUnaligned(as: UInt32.self) == magic else {
            throw Fault(found: "no frame header", expected: "the mark NFPL")
        }
        let kind = bytes.loadUnaligned(fromByteOffset: 4, as: UInt16.self)
        guard kind == Self.kind(content) else {
            throw Fault(
                found: "a frame of version \(kind & 0xFF), content \(kind >> 8)",
                expected: "version \(version), content \(content.rawValue)")
        }
        let escaped = bytes.loadUnaligned(fromByteOffset: 6, as: UInt16.self)
        guard escaped < 1 << content.planeCount else {
            throw Fault(found: "planes with exceptions \(escaped)", expected: "\(content.planeCount) planes")
        }
        let words = bytes.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
        guard words == UInt64(count) else {
            throw Fault(found: "a frame of \(words) values", expected: "\(count)")
        }
        let sizes = bytes.loadUnaligned(fromByteOffset: 16, as: SIMD4<UInt32>.self)
        let total = (0..<4).reduce(0) { $0 + Int(sizes[$1]) }
        let hasOtherPlanes = content.planeCount == 2 && (sizes[2] > 0 || sizes[3] > 0)
        guard Int(sizes.max()) <= count, total <= bytes.count - byteCount, !hasOtherPlanes else {
            throw Fault(
                found: "planes of \(sizes[0]), \(sizes[1]), \(sizes[2]) and \(sizes[3]) bytes",
                expected: "at most \(count) each and \(bytes.count - byteCount) in all")
        }
        return FrameHeader(
            content: content, count: count, planeSizes: sizes, escapedPlanes: UInt8(escaped),
            checksum: bytes.loadUnaligned(fromByteOffset: 32, as: UInt64.self))
    }

    private static func kind(_ content: Content) -> UInt16 { UInt16(version) | UInt16(content.rawValue) << 8 }

    /// Why a header is not accepted.
    struct Fault: Error {
        let found: String
        let expected: String
    }
}
