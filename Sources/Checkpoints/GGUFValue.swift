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

    /// Elements of all arrays of a file: the largest vocabularies with their merges have a tenth of it.
    static let maxElements = 1 << 24
    /// Bytes of a text: far more than chat templates and licences have.
    private static let maxBytes = 64 << 20

    /// `elements`: how many elements arrays may still have.
    init(
        _ reader: inout ByteReader, type: UInt32, key: String, depth: Int, elements: inout Int
    ) throws(CheckpointError) {
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
            guard count <= UInt64(elements) else {
                throw CheckpointError(
                    file: reader.file.path, item: key, found: "an array of \(count) values",
                    expected: "at most \(Self.maxElements) in all arrays",
                    hint: "the file is damaged: download or copy it again")
            }
            elements -= Int(count)
            var values: [GGUFValue] = []
            values.reserveCapacity(min(Int(count), 1 << 20))
            for _ in 0..<count {
                values.append(
                    try GGUFValue(&reader, type: elementType, key: key, depth: depth + 1, elements: &elements))
            }
            self = .array(values)
        case 10: self = .unsigned(try reader.integer(UInt64.self, key))
        case 11: self = .signed(try reader.integer(Int64.self, key))
        case 12: self = .double(Double(bitPattern: try reader.integer(UInt64.self, key)))
        default:
            throw CheckpointError(
                file: reader.file.path, item: key,
                found: type == 9 ? "arrays inside arrays, 5 deep" : "a value of type \(type)",
                expected: type == 9 ? "at most 4" : "types 0 to 12",
                hint: "the file is damaged: download or copy it again")
        }
    }

    static func string(_ reader: inout ByteReader, _ what: String) throws(CheckpointError) -> String {
        let count = try reader.integer(UInt64.self, what)
        func failure(_ found: String, _ expected: String) -> CheckpointError {
            CheckpointError(
                file: reader.file.path, item: what, found: found, expected: expected,
                hint: "the file is damaged: download or copy it again")
        }
        // Before its end is looked for: a sparse file may be of any size.
        guard count <= UInt64(maxBytes) else { throw failure("a text of \(count) bytes", "at most \(maxBytes)") }
        guard let text = String(validating: try reader.bytes(count, what), as: UTF8.self) else {
            throw failure("a text that is not UTF-8", "UTF-8")
        }
        return text
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
