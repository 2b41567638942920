import Foundation
import Testing

@testable import Tokenization

/// The real model's tokenizer against llama.cpp's ids.
struct SmolLM2Tests {
    private struct Row: Decodable {
        let text: String
        let ids: [Int32]?
        let plainIds: [Int32]?
        /// Where `tokenizers` and llama.cpp differ (a byte without a token between others), those of `tokenizers`.
        let tokenizersIds: [Int32]?
        let decoded: String
    }

    private struct Broken: Decodable {
        let ids: [Int32]
        let text: String
        let textWithSpecial: String
    }

    @Test func idsAreTheReferences() throws {
        let tokenizer = try Fixtures.smolLM2()
        let rows = try Fixtures.decode([Row].self, Fixtures.directory.appendingPathComponent("smollm2.json"))
        #expect(rows.count > 50)
        for row in rows {
            let expected = try #require(row.ids ?? row.tokenizersIds)
            #expect(tokenizer.encode(row.text) == expected, "\(row.text.debugDescription)")
            if let plain = row.plainIds {
                #expect(tokenizer.encode(row.text, parseSpecial: false) == plain, "\(row.text.debugDescription)")
            }
            #expect(
                tokenizer.decode(expected, skipSpecial: false).unicodeScalars.elementsEqual(row.decoded.unicodeScalars))
        }
    }

    @Test func digitsAreSplitBeforeSpaces() throws {
        #expect(try Fixtures.smolLM2().encode("abc  12") == [25276, 256, 33, 34])
    }

    @Test func brokenBytesAreRepairedLikeTheReference() throws {
        let tokenizer = try Fixtures.smolLM2()
        for row in try Fixtures.decode([Broken].self, Fixtures.directory.appendingPathComponent("broken.json")) {
            #expect(tokenizer.decode(row.ids).unicodeScalars.elementsEqual(row.text.unicodeScalars), "\(row.ids)")
            let whole = tokenizer.decode(row.ids, skipSpecial: false)
            #expect(whole.unicodeScalars.elementsEqual(row.textWithSpecial.unicodeScalars), "\(row.ids)")
        }
    }

    @Test func metadata() throws {
        let tokenizer = try Fixtures.smolLM2()
        #expect(tokenizer.vocabularySize == 49152)
        #expect(tokenizer.bosToken == 1)
        #expect(tokenizer.eosToken == 2)
        #expect(!tokenizer.addsBOS)
        #expect(tokenizer.tokenID("<|im_end|>") == 2)
        #expect(tokenizer.tokenID(" the") == tokenizer.encode(" the").first)
        #expect(tokenizer.tokenID("no such token") == nil)
        #expect(tokenizer.tokenID("") == nil)
        #expect(tokenizer.tokenText(2) == "<|im_end|>")
        #expect(tokenizer.tokenText(256) == "  ")
        #expect(tokenizer.tokenText(49152) == "[49152]")
        #expect(tokenizer.tokenText(-1) == "[-1]")
        let halves = tokenizer.encode("\u{40000}")
        #expect(halves.map(tokenizer.tokenText) == ["<80>", "<80>", "<80>"])
        #expect(tokenizer.decode([81, -1, 49152, .max, .min, 82]) == tokenizer.decode([81, 82]))
    }

    /// Each character is cut as llama.cpp cuts it.
    @Test func characterClasses() throws {
        let ranges = try Fixtures.decode(
            [String: [[UInt32]]].self, Fixtures.directory.appendingPathComponent("classes.json"))
        var expected = [UnicodeClasses.Class](repeating: .other, count: 0x110000)
        for (name, kind) in [("letter", UnicodeClasses.Class.letter), ("number", .number)] {
            for range in try #require(ranges[name]) {
                for code in range[0]...range[1] { expected[Int(code)] = kind }
            }
        }
        for code in UInt8(ascii: "0")...UInt8(ascii: "9") { expected[Int(code)] = .number }
        for code in UInt8(ascii: "a")...UInt8(ascii: "z") {
            expected[Int(code)] = .letter
            expected[Int(code) - 32] = .letter
        }
        for code in [
            9...13, 32...32, 0x85...0x85, 0xA0...0xA0, 0x1680...0x1680, 0x2000...0x200A, 0x2028...0x2029,
            0x202F...0x202F, 0x205F...0x205F, 0x3000...0x3000,
        ].joined() { expected[code] = .space }
        let classes = UnicodeClasses.shared
        let wrong = (0..<UInt32(0x110000)).filter {
            !(0xD800..<0xE000).contains($0) && classes.classOf($0) != expected[Int($0)]
        }
        #expect(wrong.map { String($0, radix: 16) }.prefix(20) == [])
    }
}
