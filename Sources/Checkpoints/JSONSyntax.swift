import Foundation

/// Checks that bytes are one JSON document (RFC 8259, UTF-8) and says where they are not.
///
/// Foundation's readers give no place, keep one of several equal keys, and take a comma too many. What passes here they
/// read, and only in one way.
public struct JSONSyntax {
    public struct Fault: Error, Equatable, CustomStringConvertible {
        /// Place of the first byte that cannot be so, from 1; columns count bytes.
        public let line: Int
        public let column: Int
        public let found: String

        public var description: String { "\(found) at line \(line), column \(column)" }
    }

    /// Deepest nesting that is read: files of models have less than 10.
    public static let maxDepth = 128

    /// What a fault says of bytes that are no characters.
    public static let notUTF8 = "bytes that are not UTF-8"

    /// Throws at the first fault. Takes time and memory in proportion to the bytes.
    public static func check(_ bytes: UnsafeRawBufferPointer) throws(Fault) {
        var syntax = JSONSyntax(bytes)
        try syntax.document()
    }

    /// The first fault of a document; nil where it has none.
    public static func fault(in data: Data) -> Fault? {
        data.withUnsafeBytes { bytes in
            do throws(Fault) {
                try check(bytes)
                return nil
            } catch {
                return error
            }
        }
    }

    private let bytes: UnsafeRawBufferPointer
    private var position = 0
    /// Keys of the objects around, innermost last; nil for an array.
    private var open: [Set<[UInt8]>?] = []

    private init(_ bytes: UnsafeRawBufferPointer) { self.bytes = bytes }

    private mutating func document() throws(Fault) {
        // A byte order mark, as some editors write it.
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
        var isValue = true
        while true {
            skipSpaces()
            if isValue { isValue = try !value() } else { isValue = try separator() }
            if !isValue, open.isEmpty { break }
        }
        skipSpaces()
        if position < bytes.count { throw fault("something behind the end") }
    }

    /// Reads a value, or the opening of one that holds others.
    /// - Returns: whether it is complete; if not, a value is next.
    private mutating func value() throws(Fault) -> Bool {
        guard position < bytes.count else { throw fault("an end where a value should be") }
        switch bytes[position] {
        case UInt8(ascii: "{"):
            try enter([])
            if take("}") { return leave() }
            try key()
            return false
        case UInt8(ascii: "["):
            try enter(nil)
            return take("]") ? leave() : false
        case UInt8(ascii: "\""): _ = try string()
        case UInt8(ascii: "t"): try word("true")
        case UInt8(ascii: "f"): try word("false")
        case UInt8(ascii: "n"): try word("null")
        case 0x80... where characterLength() == 0: throw fault(Self.notUTF8)
        default: try number()
        }
        return true
    }

    /// Reads what follows a value inside another.
    /// - Returns: whether a value is next.
    private mutating func separator() throws(Fault) -> Bool {
        let isObject = open[open.count - 1] != nil
        if take(isObject ? "}" : "]") { return !leave() }
        guard take(",") else {
            throw fault(
                position < bytes.count
                    ? "no comma or \(isObject ? "}" : "]")" : "an end inside \(isObject ? "an object" : "an array")")
        }
        if isObject { try key() }
        return true
    }

    private mutating func enter(_ keys: Set<[UInt8]>?) throws(Fault) {
        guard open.count < Self.maxDepth else { throw fault("more than \(Self.maxDepth) values inside each other") }
        open.append(keys)
        position += 1
    }

    private mutating func leave() -> Bool {
        open.removeLast()
        return true
    }

    private mutating func key() throws(Fault) {
        skipSpaces()
        let start = position
        guard position < bytes.count, bytes[position] == UInt8(ascii: "\"") else { throw fault("no key in quotes") }
        let key = try string()
        guard open[open.count - 1]?.insert(key).inserted == true else {
            position = start
            throw fault("the key \"\(String(decoding: key.prefix(60), as: UTF8.self))\" for the second time")
        }
        guard take(":") else { throw fault("no colon behind a key") }
        skipSpaces()
    }

    // MARK: - Tokens

    /// Reads a string.
    /// - Returns: its characters, without escapes.
    private mutating func string() throws(Fault) -> [UInt8] {
        var text: [UInt8] = []
        position += 1
        while position < bytes.count {
            let byte = bytes[position]
            switch byte {
            case UInt8(ascii: "\""):
                position += 1
                return text
            case UInt8(ascii: "\\"): try escape(into: &text)
            case 0..<0x20: throw fault("a control character in a string")
            case 0x20..<0x80:
                text.append(byte)
                position += 1
            default:
                let length = characterLength()
                guard length > 0 else { throw fault(Self.notUTF8) }
                text += bytes[position..<position + length]
                position += length
            }
        }
        throw fault("an end inside a string")
    }

    private mutating func escape(into text: inout [UInt8]) throws(Fault) {
        let start = position
        guard position + 1 < bytes.count else { throw fault("an end inside a string") }
        let simple: [UInt8: UInt8] = [
            0x22: 0x22, 0x5C: 0x5C, 0x2F: 0x2F, 0x62: 0x08, 0x66: 0x0C, 0x6E: 0x0A, 0x72: 0x0D, 0x74: 0x09,
        ]
        if let byte = simple[bytes[position + 1]] {
            text.append(byte)
            position += 2
            return
        }
        guard var code = unit() else { throw fault("an unknown escape in a string") }
        if (0xD800..<0xDC00).contains(code), let low = unit(), (0xDC00..<0xE000).contains(low) {
            code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
        }
        guard let scalar = Unicode.Scalar(code) else {
            position = start
            throw fault("half of a surrogate pair in a string")
        }
        text += Array(String(Character(scalar)).utf8)
    }

    /// Reads `\uXXXX`; nil, and nothing read, where there is none.
    private mutating func unit() -> UInt32? {
        guard position + 6 <= bytes.count, bytes[position] == UInt8(ascii: "\\"),
            bytes[position + 1] == UInt8(ascii: "u")
        else { return nil }
        var code: UInt32 = 0
        for byte in bytes[position + 2..<position + 6] {
            guard let digit = Character(Unicode.Scalar(byte)).hexDigitValue else { return nil }
            code = code << 4 | UInt32(digit)
        }
        position += 6
        return code
    }

    /// Bytes of the character here that is not ASCII; 0 where there is none.
    private func characterLength() -> Int {
        // The second byte rules out long forms, surrogates and what lies beyond U+10FFFF.
        let (length, second): (Int, ClosedRange<UInt8>) =
            switch bytes[position] {
            case 0xC2...0xDF: (2, 0x80...0xBF)
            case 0xE0: (3, 0xA0...0xBF)
            case 0xED: (3, 0x80...0x9F)
            case 0xE1...0xEF: (3, 0x80...0xBF)
            case 0xF0: (4, 0x90...0xBF)
            case 0xF1...0xF3: (4, 0x80...0xBF)
            case 0xF4: (4, 0x80...0x8F)
            default: (0, 0...0)
            }
        guard length > 0, position + length <= bytes.count, second.contains(bytes[position + 1]) else { return 0 }
        return bytes[position + 2..<position + length].allSatisfy { $0 & 0xC0 == 0x80 } ? length : 0
    }

    private mutating func word(_ word: String) throws(Fault) {
        guard bytes[position...].starts(with: word.utf8) else { throw fault("no JSON value") }
        position += word.utf8.count
    }

    private mutating func number() throws(Fault) {
        let start = position
        func digits() throws(Fault) {
            let first = position
            while position < bytes.count, (0x30...0x39).contains(bytes[position]) { position += 1 }
            guard position > first else {
                throw fault(position == start ? "no JSON value" : "a number without a digit")
            }
        }
        if position < bytes.count, bytes[position] == UInt8(ascii: "-") { position += 1 }
        let isZero = position < bytes.count && bytes[position] == UInt8(ascii: "0")
        let first = position
        try digits()
        if isZero, position > first + 1 { throw fault("a number that begins with 0") }
        if take(".", skippingSpaces: false) { try digits() }
        if take("e", skippingSpaces: false) || take("E", skippingSpaces: false) {
            if !take("+", skippingSpaces: false) { _ = take("-", skippingSpaces: false) }
            try digits()
        }
        let text = String(decoding: bytes[start..<position], as: UTF8.self)
        guard position - start <= 1000, Double(text)?.isFinite == true else {
            position = start
            throw fault("a number out of range (\(text.prefix(20)))")
        }
    }

    // MARK: - Bytes

    private mutating func take(_ character: Unicode.Scalar, skippingSpaces: Bool = true) -> Bool {
        if skippingSpaces { skipSpaces() }
        guard position < bytes.count, bytes[position] == UInt8(ascii: character) else { return false }
        position += 1
        return true
    }

    private mutating func skipSpaces() {
        while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D: position += 1
            default: return
            }
        }
    }

    private func fault(_ found: String) -> Fault {
        let before = bytes[..<min(position, bytes.count)]
        let lineStart = before.lastIndex(of: 0x0A).map { $0 + 1 } ?? 0
        return Fault(
            line: before.reduce(1) { $0 + ($1 == 0x0A ? 1 : 0) }, column: position - lineStart + 1, found: found)
    }
}
