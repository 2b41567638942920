/// GPT-2's way of writing any byte string as printable text: each byte is one character.
///
/// Printable Latin-1 bytes stand for themselves; the other 68 take U+0100, U+0101, … in ascending order.
/// Source: Radford et al. 2019, `bytes_to_unicode`.
enum ByteAlphabet {
    /// byte → character.
    static let characters: [Unicode.Scalar] = {
        var next: UInt32 = 0x100
        return (0...255).map { (byte: UInt32) in
            if isPrintable(byte) { return Unicode.Scalar(UInt8(byte)) }
            defer { next += 1 }
            return Unicode.Scalar(next) ?? " "
        }
    }()

    /// character → byte for U+0000…U+017F; −1 where the character stands for none.
    private static let bytes: [Int16] = {
        var table = [Int16](repeating: -1, count: 0x180)
        for (byte, character) in characters.enumerated() { table[Int(character.value)] = Int16(byte) }
        return table
    }()

    private static func isPrintable(_ byte: UInt32) -> Bool {
        (0x21...0x7E).contains(byte) || (0xA1...0xAC).contains(byte) || (0xAE...0xFF).contains(byte)
    }

    /// Appends the bytes that `text` stands for. False, with nothing appended, if a character stands for none.
    static func append(_ text: some StringProtocol, to output: inout [UInt8]) -> Bool {
        let start = output.count
        let table = bytes
        for scalar in text.unicodeScalars {
            guard scalar.value < 0x180, table[Int(scalar.value)] >= 0 else {
                output.removeSubrange(start...)
                return false
            }
            output.append(UInt8(table[Int(scalar.value)]))
        }
        return true
    }
}
