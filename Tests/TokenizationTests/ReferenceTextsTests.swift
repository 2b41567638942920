import Foundation
import Testing

@testable import Tokenization

/// Debian's package descriptions in five languages: every id is llama.cpp's, and every text comes back.
struct ReferenceTextsTests {
    @Test func idsAreTheReferences() throws {
        let directory = Fixtures.cache.appendingPathComponent("tokenizer-reference")
        let texts = directory.appendingPathComponent("texts.json")
        let ids = directory.appendingPathComponent("ids.json")
        for file in [texts, ids] {
            try #require(
                FileManager.default.fileExists(atPath: file.path),
                "\(file.path) is missing; run Tests/Fixtures/tokenization/reference.py")
        }
        let tokenizer = try Fixtures.smolLM2()
        let allTexts = try Fixtures.decode([String].self, texts)
        let allIds = try Fixtures.decode([[Int32]].self, ids)
        try #require(allTexts.count >= 20_000 && allTexts.count == allIds.count)
        var wrong: [String] = []
        var unreturned: [String] = []
        for (text, expected) in zip(allTexts, allIds) {
            let found = tokenizer.encode(text)
            if found != expected { wrong.append(text) }
            if !tokenizer.decode(found).utf8.elementsEqual(text.utf8) { unreturned.append(text) }
        }
        #expect(wrong.isEmpty, "\(wrong.count) texts differ, the first: \(wrong.first?.debugDescription ?? "")")
        #expect(
            unreturned.isEmpty,
            "\(unreturned.count) texts do not come back, the first: \(unreturned.first?.debugDescription ?? "")")
    }
}
