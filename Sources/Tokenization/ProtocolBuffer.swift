import Foundation

/// The wire format of protocol buffers: a message is a row of numbered fields.
enum ProtocolBuffer {
    enum Value {
        case varint(UInt64)
        case fixed64(UInt64)
        /// A text, bytes, or another message.
        case bytes(Data)
        case fixed32(UInt32)
    }

    /// Calls `body` with each field in order, until it returns nil.
    /// - Returns: true at the end; nil if `body` returned nil or the bytes are no message.
    static func forEachField(of data: Data, _ body: (_ number: UInt64, _ value: Value) -> Bool?) -> Bool? {
        var position = data.startIndex
        while position < data.endIndex {
            guard let key = varint(data, &position), key >> 3 > 0, let value = value(key & 7, data, &position),
                body(key >> 3, value) != nil
            else { return nil }
        }
        return true
    }

    private static func value(_ kind: UInt64, _ data: Data, _ position: inout Int) -> Value? {
        switch kind {
        case 0: varint(data, &position).map(Value.varint)
        case 1: fixed(8, data, &position).map(Value.fixed64)
        case 2:
            varint(data, &position).flatMap { count in
                guard count <= UInt64(data.endIndex - position) else { return nil }
                defer { position += Int(count) }
                return .bytes(data[position..<position + Int(count)])
            }
        case 5: fixed(4, data, &position).map { .fixed32(UInt32(truncatingIfNeeded: $0)) }
        default: nil
        }
    }

    private static func varint(_ data: Data, _ position: inout Int) -> UInt64? {
        var value: UInt64 = 0
        for shift in stride(from: 0, to: 64, by: 7) {
            guard position < data.endIndex else { return nil }
            let byte = data[position]
            position += 1
            value |= UInt64(byte & 0x7F) << UInt64(shift)
            if byte & 0x80 == 0 { return value }
        }
        return nil
    }

    /// Little-endian.
    private static func fixed(_ count: Int, _ data: Data, _ position: inout Int) -> UInt64? {
        guard count <= data.endIndex - position else { return nil }
        defer { position += count }
        return data[position..<position + count].reversed().reduce(0) { $0 << 8 | UInt64($1) }
    }
}
