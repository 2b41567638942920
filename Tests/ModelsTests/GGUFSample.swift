import Foundation

/// A GGUF file of metadata, and the head of an embedding whose values are not there.
enum GGUFSample {
    enum Value {
        case integer(UInt32)
        case number(Float)
        case text(String)
    }

    static func write(_ values: [(key: String, value: Value)], to path: String) throws {
        var bytes: [UInt8] = Array("GGUF".utf8)
        func add(_ value: some FixedWidthInteger) {
            withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
        }
        func add(_ text: String) {
            add(UInt64(text.utf8.count))
            bytes.append(contentsOf: text.utf8)
        }
        add(UInt32(3))
        add(UInt64(1))
        add(UInt64(values.count))
        for (key, value) in values {
            add(key)
            switch value {
            case .integer(let value):
                add(UInt32(4))
                add(value)
            case .number(let value):
                add(UInt32(6))
                add(value.bitPattern)
            case .text(let value):
                add(UInt32(8))
                add(value)
            }
        }
        add("token_embd.weight")
        add(UInt32(2))
        add(UInt64(32))
        add(UInt64(96))
        add(UInt32(0))
        add(UInt64(0))
        // Up to where the data would begin.
        bytes += Array(repeating: 0, count: 64)
        try Data(bytes).write(to: URL(fileURLWithPath: path))
    }
}
