import Foundation

extension CodingUserInfoKey {
    /// The bytes of the JSON document that is being decoded.
    static let document = CodingUserInfoKey(rawValue: "document")
}

/// `model.vocab` of `tokenizer.json`: tokens and their ids, in the order of the file.
///
/// Swift takes canonically equivalent strings for equal: a composed and a decomposed é are one key of a dictionary, and
/// JSON decoders keep objects in such dictionaries. This is read from the file's bytes and compares tokens by them.
struct TokenTable: Decodable, Sequence {
    /// A text that equals another of the same bytes and no other.
    struct Key: Hashable {
        let text: String

        init(_ text: String) { self.text = text }

        static func == (one: Key, other: Key) -> Bool { one.text.utf8.elementsEqual(other.text.utf8) }

        func hash(into hasher: inout Hasher) {
            var text = self.text
            text.withUTF8 { hasher.combine(bytes: UnsafeRawBufferPointer($0)) }
        }
    }

    typealias Element = (text: String, id: Int32)

    private let entries: [Element]
    private let ids: [Key: Int32]

    /// Reads the object at the decoder's place.
    /// - Throws: where the decoder does not know its document, and for values that are no ids.
    init(from decoder: any Decoder) throws {
        let path = decoder.codingPath
        guard let key = CodingUserInfoKey.document, let document = decoder.userInfo[key] as? Data else {
            throw DecodingError.dataCorrupted(.init(codingPath: path, debugDescription: "the document is not known"))
        }
        var entries: [Element] = []
        try document.withUnsafeBytes { (bytes: UnsafeRawBufferPointer) throws -> Void in
            var reader = ObjectReader(bytes: bytes)
            entries = try reader.entries(at: path)
        }
        var ids: [Key: Int32] = [:]
        ids.reserveCapacity(entries.count)
        for entry in entries { ids[Key(entry.text)] = entry.id }
        self.entries = entries
        self.ids = ids
    }

    var count: Int { entries.count }

    func id(of text: String) -> Int32? { ids[Key(text)] }

    func makeIterator() -> IndexingIterator<[Element]> { entries.makeIterator() }
}

/// Reads an object of a document that `JSONSyntax` has passed.
private struct ObjectReader {
    /// A key of an object of tokens, for errors.
    private struct Token: CodingKey {
        let stringValue: String
        var intValue: Int? { nil }

        init(_ text: String) { stringValue = text }
        init?(stringValue: String) { self.init(stringValue) }
        init?(intValue: Int) { return nil }
    }

    let bytes: UnsafeRawBufferPointer
    private var position = 0

    init(bytes: UnsafeRawBufferPointer) {
        self.bytes = bytes
        // A byte order mark, as some editors write it.
        if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { position = 3 }
    }

    /// Keys and whole numbers of the object to which the keys of `path` lead.
    mutating func entries(at path: [any CodingKey]) throws -> [(text: String, id: Int32)] {
        for key in path where !enter(key.stringValue) { throw wrongType(path) }
        guard begin() else { throw wrongType(path) }
        var entries: [(text: String, id: Int32)] = []
        while let text = key() {
            entries.append((text, try id(path, text)))
            guard comma() else { break }
        }
        return entries
    }

    private func wrongType(_ path: [any CodingKey]) -> DecodingError {
        .typeMismatch([String: Int32].self, .init(codingPath: path, debugDescription: "no object of whole numbers"))
    }

    // MARK: - Objects

    /// Goes to the value of a key of the object here; false where there is no such key, or no object.
    private mutating func enter(_ name: String) -> Bool {
        guard begin() else { return false }
        while let found = key() {
            if found.utf8.elementsEqual(name.utf8) { return true }
            skipValue()
            guard comma() else { return false }
        }
        return false
    }

    private mutating func begin() -> Bool { take(UInt8(ascii: "{")) }

    private mutating func comma() -> Bool { take(UInt8(ascii: ",")) }

    /// Reads a key and its colon; nil at the end of the object.
    private mutating func key() -> String? {
        skipSpaces()
        guard byte == UInt8(ascii: "\"") else { return nil }
        let text = string()
        return take(UInt8(ascii: ":")) ? text : nil
    }

    private mutating func skipValue() {
        var depth = 0
        repeat {
            skipSpaces()
            switch byte {
            case UInt8(ascii: "\""): skipString()
            case UInt8(ascii: "{"), UInt8(ascii: "["):
                depth += 1
                position += 1
            case UInt8(ascii: "}"), UInt8(ascii: "]"):
                depth -= 1
                position += 1
            case UInt8(ascii: ","), UInt8(ascii: ":"): position += 1
            default: _ = word()
            }
        } while depth > 0 && position < bytes.count
    }

    // MARK: - Values

    private mutating func id(_ path: [any CodingKey], _ token: String) throws -> Int32 {
        skipSpaces()
        func context(_ text: String) -> DecodingError.Context {
            let key: any CodingKey = Token(token)
            return DecodingError.Context(codingPath: path + [key], debugDescription: text)
        }
        guard byte == UInt8(ascii: "-") || (0x30...0x39).contains(byte) else {
            throw DecodingError.typeMismatch(Int32.self, context("no number"))
        }
        let text = word()
        // 1.0 and 1e2 are whole numbers, too.
        guard let id = Int32(text) ?? Double(text).flatMap({ Int32(exactly: $0) }) else {
            throw DecodingError.dataCorrupted(context("no whole number of 32 bits"))
        }
        return id
    }

    /// Reads a number, `true`, `false` or `null`.
    private mutating func word() -> String {
        let start = position
        scan: while position < bytes.count {
            switch bytes[position] {
            case 0x20, 0x09, 0x0A, 0x0D, UInt8(ascii: ","), UInt8(ascii: "}"), UInt8(ascii: "]"): break scan
            default: position += 1
            }
        }
        return text(start..<position)
    }

    /// Goes behind the string here.
    /// - Returns: whether it has escapes.
    @discardableResult
    private mutating func skipString() -> Bool {
        var hasEscapes = false
        position += 1
        while position < bytes.count {
            let byte = bytes[position]
            position += 1
            if byte == UInt8(ascii: "\"") { break }
            if byte == UInt8(ascii: "\\") {
                hasEscapes = true
                position += 1
            }
        }
        position = min(position, bytes.count)
        return hasEscapes
    }

    private mutating func string() -> String {
        let start = position + 1
        guard skipString() else { return text(start..<max(start, position - 1)) }
        let end = position - 1
        var result: [UInt8] = []
        result.reserveCapacity(end - start)
        position = start
        while position < end {
            if bytes[position] == UInt8(ascii: "\\") {
                escape(into: &result)
            } else {
                result.append(bytes[position])
                position += 1
            }
        }
        position = end + 1
        return String(decoding: result, as: UTF8.self)
    }

    private mutating func escape(into text: inout [UInt8]) {
        let letter = bytes[position + 1]
        guard letter == UInt8(ascii: "u") else {
            position += 2
            switch letter {
            case UInt8(ascii: "b"): text.append(0x08)
            case UInt8(ascii: "f"): text.append(0x0C)
            case UInt8(ascii: "n"): text.append(0x0A)
            case UInt8(ascii: "r"): text.append(0x0D)
            case UInt8(ascii: "t"): text.append(0x09)
            default: text.append(letter)
            }
            return
        }
        var code = unit()
        if (0xD800..<0xDC00).contains(code) { code = 0x10000 &+ (code &- 0xD800) << 10 &+ (unit() &- 0xDC00) }
        if let scalar = Unicode.Scalar(code) { text.append(contentsOf: String(Character(scalar)).utf8) }
    }

    /// Reads `\uXXXX`.
    private mutating func unit() -> UInt32 {
        let digits = text(min(position + 2, bytes.count)..<min(position + 6, bytes.count))
        position = min(position + 6, bytes.count)
        return UInt32(digits, radix: 16) ?? 0
    }

    // MARK: - Bytes

    /// The byte here; 0 at the end.
    private var byte: UInt8 { position < bytes.count ? bytes[position] : 0 }

    private func text(_ range: Range<Int>) -> String {
        String(decoding: UnsafeRawBufferPointer(rebasing: bytes[range]), as: UTF8.self)
    }

    private mutating func take(_ character: UInt8) -> Bool {
        skipSpaces()
        guard byte == character else { return false }
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
}
