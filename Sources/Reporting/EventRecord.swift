/// The frame of one record of an event file (TensorFlow's TFRecord).
enum EventRecord {
    /// Length (64 bits), its checksum, the data, its checksum; little-endian.
    static func framed(_ data: [UInt8]) -> [UInt8] {
        let length = bytes(UInt64(data.count))
        return length + bytes(maskedChecksum(length)) + data + bytes(maskedChecksum(data))
    }

    /// CRC-32C, turned and shifted: checksums of data that holds checksums are weak otherwise.
    static func maskedChecksum(_ data: [UInt8]) -> UInt32 {
        let sum = checksum(data)
        return (sum >> 15 | sum << 17) &+ 0xA282_EAD8
    }

    /// CRC-32C (Castagnoli): reflected polynomial 0x82F63B78, begun and ended with all bits turned.
    static func checksum(_ data: [UInt8]) -> UInt32 {
        ~data.reduce(~0) { sum, byte in table[Int(UInt8(truncatingIfNeeded: sum) ^ byte)] ^ sum >> 8 }
    }

    private static let table: [UInt32] = (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { sum, _ in sum & 1 == 0 ? sum >> 1 : 0x82F6_3B78 ^ sum >> 1 }
    }

    private static func bytes(_ value: some FixedWidthInteger) -> [UInt8] {
        withUnsafeBytes(of: value.littleEndian) { Array($0) }
    }
}

/// Writes a protocol buffer field by field.
struct ProtocolBufferWriter {
    private(set) var bytes: [UInt8] = []

    /// A number of 0 or more, in as few bytes as it takes.
    mutating func integer(_ field: Int, _ value: Int) {
        key(field, type: 0)
        varint(UInt64(value))
    }

    mutating func double(_ field: Int, _ value: Double) {
        key(field, type: 1)
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func float(_ field: Int, _ value: Float) {
        key(field, type: 5)
        withUnsafeBytes(of: value.bitPattern.littleEndian) { bytes.append(contentsOf: $0) }
    }

    mutating func string(_ field: Int, _ value: String) { block(field, Array(value.utf8)) }

    mutating func message(_ field: Int, _ fill: (inout ProtocolBufferWriter) -> Void) {
        var inner = ProtocolBufferWriter()
        fill(&inner)
        block(field, inner.bytes)
    }

    private mutating func block(_ field: Int, _ content: [UInt8]) {
        key(field, type: 2)
        varint(UInt64(content.count))
        bytes += content
    }

    private mutating func key(_ field: Int, type: Int) { varint(UInt64(field << 3 | type)) }

    private mutating func varint(_ value: UInt64) {
        var rest = value
        while rest >= 0x80 {
            bytes.append(UInt8(truncatingIfNeeded: rest) | 0x80)
            rest >>= 7
        }
        bytes.append(UInt8(rest))
    }
}
