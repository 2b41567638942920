/// SentencePiece's way of writing spaces and bytes: `▁` (U+2581) for a space, `<0x0A>` for a byte without a character.
///
/// Inside this module texts keep their spaces: a `▁` of a token or of a text becomes one, which SentencePiece does not
/// tell apart either.
enum SpaceMark {
    /// Appends `text` with each `▁` as a space.
    static func append(_ text: some Sequence<UInt8>, to output: inout [UInt8]) {
        for byte in text {
            output.append(byte)
            // `▁` is E2 96 81; its last byte completes it.
            if byte == 0x81, output.count >= 3, output[output.count - 2] == 0x96, output[output.count - 3] == 0xE2 {
                output.removeLast(3)
                output.append(PreTokenizer.space)
            }
        }
    }

    /// `text` with each `▁` as a space.
    static func replaced(in text: String) -> String {
        var bytes: [UInt8] = []
        append(text.utf8, to: &bytes)
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The byte that `<0x0A>` stands for.
    static func byte(of text: String) -> UInt8? {
        guard text.utf8.count == 6, text.hasPrefix("<0x"), text.hasSuffix(">") else { return nil }
        return UInt8(text.dropFirst(3).dropLast(), radix: 16)
    }
}
