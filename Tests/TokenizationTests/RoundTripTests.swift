import Testing

@testable import Tokenization

/// Any text and any ids: never a crash, and texts come back.
struct RoundTripTests {
    /// SmolLM2 has no tokens for these bytes.
    private static let missing: Set<UInt8> = [
        0x04, 0x06, 0x13, 0x14, 0x16, 0x1D, 0xC0, 0xC1, 0xF1, 0xF2, 0xF5, 0xF6, 0xF7, 0xF8, 0xF9, 0xFA, 0xFB, 0xFC,
        0xFD, 0xFE, 0xFF,
    ]

    @Test func randomUnicode() throws {
        let tokenizer = try Fixtures.smolLM2()
        var generator = SeededGenerator(state: 11)
        let limits: [UInt32] = [0x80, 0x250, 0x3000, 0x10000, 0x110000]
        for _ in 0..<4000 {
            var text = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0...40, using: &generator) {
                let code = UInt32.random(in: 0..<limits.randomElement(using: &generator)!, using: &generator)
                if let scalar = Unicode.Scalar(code) { text.append(scalar) }
            }
            let string = String(text)
            let kept = string.utf8.filter { !Self.missing.contains($0) }
            let decoded = tokenizer.decode(tokenizer.encode(string), skipSpecial: false)
            #expect(
                decoded.utf8.elementsEqual(String(decoding: kept, as: UTF8.self).utf8), "\(string.debugDescription)")
        }
    }

    @Test func randomTokens() throws {
        let tokenizer = try Fixtures.smolLM2()
        var generator = SeededGenerator(state: 12)
        for _ in 0..<4000 {
            let ids = (0..<Int.random(in: 0...30, using: &generator)).map { _ in
                Int32.random(in: 0..<49152, using: &generator)
            }
            // Whatever ids give as text is a text, and texts come back.
            let text = tokenizer.decode(ids, skipSpecial: false)
            let again = tokenizer.decode(tokenizer.encode(text), skipSpecial: false)
            #expect(again.utf8.elementsEqual(text.utf8))
        }
    }

    @Test func randomBytes() throws {
        let tokenizer = try Fixtures.smolLM2()
        var generator = SeededGenerator(state: 13)
        for _ in 0..<4000 {
            let bytes = (0..<Int.random(in: 0...60, using: &generator)).map { _ in
                UInt8.random(in: 0...255, using: &generator)
            }
            let text = String(decoding: bytes, as: UTF8.self)
            for parseSpecial in [true, false] {
                let ids = tokenizer.encode(text, parseSpecial: parseSpecial)
                #expect(ids.allSatisfy { (0..<49152).contains($0) })
                let kept = String(decoding: text.utf8.filter { !Self.missing.contains($0) }, as: UTF8.self)
                #expect(tokenizer.decode(ids).utf8.elementsEqual(kept.utf8))
            }
            let ids = (0..<20).map { _ in Int32(truncatingIfNeeded: generator.next()) }
            #expect(tokenizer.decode(ids, skipSpecial: false).utf8.count <= 20 * 200)
            _ = ids.map(tokenizer.tokenText)
        }
    }

    /// Every token that is whole UTF-8 comes back from its own text as a text.
    @Test func everyToken() throws {
        let tokenizer = try Fixtures.smolLM2()
        for id in 0..<Int32(tokenizer.vocabularySize) {
            let text = tokenizer.decode([id], skipSpecial: false)
            #expect(!text.isEmpty)
            if tokenizer.tokenText(id) == text, !text.unicodeScalars.contains("\u{FFFD}") {
                #expect(tokenizer.tokenID(text) == id)
                #expect(tokenizer.decode(tokenizer.encode(text), skipSpecial: false) == text)
            }
        }
    }
}
