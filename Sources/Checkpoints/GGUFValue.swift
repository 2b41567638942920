/// A metadata value of a GGUF file.
public enum GGUFValue: Sendable, Equatable {
    /// A whole number of 0 or more, of any width.
    case unsigned(UInt64)
    /// A whole number with a sign, of any width.
    case signed(Int64)
    /// A number in single precision.
    case float(Float)
    /// A number in double precision.
    case double(Double)
    /// True or false.
    case bool(Bool)
    /// Text in UTF-8.
    case string(String)
    /// Values of one type.
    case array([GGUFValue])

    init(_ reader: inout ByteReader, type: UInt32, key: String, depth: Int) throws(CheckpointError) {
        switch type {
        case 0: self = .unsigned(UInt64(try reader.integer(UInt8.self, key)))
        case 1: self = .signed(Int64(try reader.integer(Int8.self, key)))
        case 2: self = .unsigned(UInt64(try reader.integer(UInt16.self, key)))
        case 3: self = .signed(Int64(try reader.integer(Int16.self, key)))
        case 4: self = .unsigned(UInt64(try reader.integer(UInt32.self, key)))
        case 5: self = .signed(Int64(try reader.integer(Int32.self, key)))
        case 6: self = .float(Float(bitPattern: try reader.integer(UInt32.self, key)))
        case 7: self = .bool(try reader.integer(UInt8.self, key) != 0)
        case 8: self = .string(try Self.string(&reader, key))
        case 9 where depth < 4:
            let elementType = try reader.integer(UInt32.self, key)
            let count = try reader.integer(UInt64.self, key)
            // Every element takes at least a byte, so a count beyond the file is refused before any is read.
            guard count <= UInt64(reader.remaining) else { throw reader.truncated(key) }
            var values: [GGUFValue] = []
            values.reserveCapacity(min(Int(count), 1 << 20))
            for _ in 0..<count {
                values.append(try GGUFValue(&reader, type: elementType, key: key, depth: depth + 1))
            }
            self = .array(values)
        case 10: self = .unsigned(try reader.integer(UInt64.self, key))
        case 11: self = .signed(try reader.integer(Int64.self, key))
        case 12: self = .double(Double(bitPattern: try reader.integer(UInt64.self, key)))
        default:
            throw CheckpointError(
                file: reader.file.path, item: key, found: "a value of type \(type)", expected: "types 0 to 12",
                hint: "the file is damaged: download or copy it again")
        }
    }

    static func string(_ reader: inout ByteReader, _ what: String) throws(CheckpointError) -> String {
        let count = try reader.integer(UInt64.self, what)
        return String(decoding: try reader.bytes(count, what), as: UTF8.self)
    }

    /// The value as a whole number, if it is one.
    public var integer: Int? {
        switch self {
        case .unsigned(let value): Int(exactly: value)
        case .signed(let value): Int(exactly: value)
        default: nil
        }
    }
    /// The value as a number.
    public var number: Double? {
        switch self {
        case .float(let value): Double(value)
        case .double(let value): value
        default: integer.map(Double.init)
        }
    }
    /// The text; nil for another kind of value.
    public var text: String? { if case .string(let value) = self { value } else { nil } }
    /// The truth value; nil for another kind of value.
    public var flag: Bool? { if case .bool(let value) = self { value } else { nil } }
    /// The values of a list; nil for another kind of value.
    public var elements: [GGUFValue]? { if case .array(let values) = self { values } else { nil } }
}
