import TestSupport

/// Changes bytes at random, the same way for the same seed.
struct Mutator {
    var random: TestRandom

    /// One to four changes. `other` is a further file of the kind, of which parts may be taken.
    mutating func mutate(_ bytes: inout [UInt8], other: [UInt8]) {
        for _ in 0...below(4) {
            // The header of a safetensors file is text whose length stands before it.
            if let header = Self.header(bytes), chance(2, of: 3) {
                var text = Array(bytes[header])
                mutateText(&text)
                let count = withUnsafeBytes(of: UInt64(text.count).littleEndian) { Array($0) }
                bytes = count + text + bytes[header.upperBound...]
            } else if Self.isText(bytes), chance(2, of: 3) {
                mutateText(&bytes)
            } else {
                mutateBytes(&bytes, other)
            }
        }
        // Long files are slow and show nothing new.
        if bytes.count > 1 << 18 { bytes.removeLast(bytes.count - 1 << 18) }
    }

    private static func header(_ bytes: [UInt8]) -> Range<Int>? {
        guard bytes.count > 9, bytes[8] == UInt8(ascii: "{") else { return nil }
        let count = bytes[..<8].reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
        return count <= UInt64(bytes.count - 8) ? 8..<8 + Int(count) : nil
    }

    private static func isText(_ bytes: [UInt8]) -> Bool { !bytes.prefix(200).contains { $0 < 9 } }

    // MARK: - Bytes

    private static let numbers: [UInt64] = [
        0, 1, 2, 0x7F, 0x80, 0xFF, 0xFFFF, 1 << 20, 1 << 31 - 1, 1 << 31, 1 << 32 - 1, 1 << 32, 1 << 40, 1 << 62,
        1 << 63 - 1, 1 << 63, .max - 1, .max, 0x7F80_0000, 0x7FC0_0000,
    ]

    private mutating func mutateBytes(_ bytes: inout [UInt8], _ other: [UInt8]) {
        guard !bytes.isEmpty else {
            bytes = other
            return
        }
        let place = below(bytes.count)
        switch below(8) {
        case 0: bytes[place] ^= 1 << UInt8(below(8))
        case 1: bytes[place] = UInt8(truncatingIfNeeded: random.next())
        case 2:
            // A length, an offset or a count: most stand at the beginning.
            let start = chance(1, of: 2) ? below(min(bytes.count, 400)) : place
            let near = UInt64(bytes.count) &+ random.next() % 5 &- 2
            var value = chance(1, of: 4) ? near : Self.numbers[below(Self.numbers.count)]
            for index in start..<min(bytes.count, start + [1, 2, 4, 8][below(4)]) {
                bytes[index] = UInt8(truncatingIfNeeded: value)
                value >>= 8
            }
        case 3: bytes.removeSubrange(range(in: bytes))
        case 4: bytes.insert(contentsOf: bytes[range(in: bytes)], at: place)
        case 5: bytes.removeLast(below(bytes.count))
        case 6: if !other.isEmpty { bytes.insert(contentsOf: other[range(in: other)], at: place) }
        default:
            if !other.isEmpty { bytes = Array(bytes[..<place] + other[below(other.count)...]) }
        }
    }

    // MARK: - Text

    private static let words = [
        "null", "true", "false", "0", "-1", "1", "2", "1.5", "1e308", "-1e308", "1e999", "NaN", "9223372036854775807",
        "9223372036854775808", "-9223372036854775808", "18446744073709551616", "2147483648", "4611686018427387904",
        "[]", "{}", "[[]]", "\"\"", "\"a\"", "\"\\ud800\"", "\"\\u0000\"", "\"\\ud83d\\ude00\"", "{\"a\":1}",
        "\u{FEFF}", "\u{2581}", "e\u{301}", ",", ":", "\"", "\n", "[", "]", "{", "}", "- ", "? ", "&a ", "*a", "!!",
        "|\n",
        "---\n", "# ", "'", "\t", " ",
    ].map { Array($0.utf8) }

    private mutating func mutateText(_ text: inout [UInt8]) {
        let tokens = Self.tokens(text)
        guard !tokens.isEmpty else {
            text = Self.words[below(Self.words.count)]
            return
        }
        let token = tokens[below(tokens.count)]
        switch below(7) {
        case 0: text.replaceSubrange(token, with: Self.words[below(Self.words.count)])
        case 1: text.insert(contentsOf: Self.words[below(Self.words.count)], at: token.lowerBound)
        case 2: text.removeSubrange(token)
        case 3: text.insert(contentsOf: text[tokens[below(tokens.count)]], at: token.lowerBound)
        case 4: text.replaceSubrange(token, with: text[tokens[below(tokens.count)]])
        case 5:
            // A stretch of tokens again: pairs of key and value, rows, lines.
            let end = tokens[min(tokens.count - 1, below(tokens.count) + 4)].upperBound
            if token.lowerBound < end, end - token.lowerBound < 4096 {
                text.insert(contentsOf: text[token.lowerBound..<end], at: token.lowerBound)
            }
        default: text[token.lowerBound] = UInt8(truncatingIfNeeded: random.next())
        }
    }

    /// Strings, numbers and words, and each other character that is no space.
    private static func tokens(_ text: [UInt8]) -> [Range<Int>] {
        var tokens: [Range<Int>] = []
        var position = 0
        func isWord(_ byte: UInt8) -> Bool {
            byte >= 0x80 || byte == UInt8(ascii: "_") || byte == UInt8(ascii: ".") || byte == UInt8(ascii: "-")
                || Character(Unicode.Scalar(byte)).isLetter || Character(Unicode.Scalar(byte)).isNumber
        }
        while position < text.count, tokens.count < 20_000 {
            let start = position
            position += 1
            if text[start] == UInt8(ascii: "\"") {
                while position < text.count, text[position] != UInt8(ascii: "\"") {
                    position += text[position] == UInt8(ascii: "\\") ? 2 : 1
                }
                position = min(text.count, position + 1)
            } else if isWord(text[start]) {
                while position < text.count, isWord(text[position]) { position += 1 }
            } else if text[start] <= 0x20 {
                continue
            }
            tokens.append(start..<position)
        }
        return tokens
    }

    // MARK: - Numbers

    mutating func below(_ count: Int) -> Int { Int(random.next() % UInt64(count)) }
    mutating func chance(_ part: Int, of whole: Int) -> Bool { below(whole) < part }

    /// Mostly short.
    private mutating func range(in bytes: [UInt8]) -> Range<Int> {
        let start = below(bytes.count)
        return start..<min(bytes.count, start + 1 + below(chance(3, of: 4) ? 16 : 4096))
    }
}
