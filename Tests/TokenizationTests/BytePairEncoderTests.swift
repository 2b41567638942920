import Foundation
import Testing

@testable import Tokenization

/// Splitting and merging against their definitions, on random texts.
struct BytePairEncoderTests {
    /// Merges as they are defined: again and again the most important pair, the leftmost first.
    private func naiveMerge(_ piece: [UInt8], _ tokens: [String: Int32], _ ranks: [[String]: Int]) -> [Int32] {
        var symbols = piece.map { String(ByteAlphabet.characters[Int($0)]) }.filter { tokens[$0] != nil }
        while true {
            let pairs = symbols.indices.dropLast().compactMap { index in
                ranks[[symbols[index], symbols[index + 1]]].map { (rank: $0, index: index) }
            }
            guard let best = pairs.min(by: { ($0.rank, $0.index) < ($1.rank, $1.index) }) else { break }
            symbols[best.index] += symbols.remove(at: best.index + 1)
        }
        return symbols.compactMap { tokens[$0] }
    }

    @Test func mergesLikeTheDefinition() throws {
        var generator = SeededGenerator(state: 3)
        for _ in 0..<40 {
            // "d" has no token: it is dropped before merging.
            var tokens = ["a", "b", "c"]
            var merges: [[String]] = []
            while tokens.count < 25 {
                let pair = [tokens.randomElement(using: &generator)!, tokens.randomElement(using: &generator)!]
                let joined = pair.joined()
                // A token that several merges make has the first one's id; a pair comes once.
                if joined.count > 8 || merges.contains(pair) { continue }
                if !tokens.contains(joined) { tokens.append(joined) }
                merges.append(pair)
            }
            merges.shuffle(using: &generator)
            let ids = Dictionary(uniqueKeysWithValues: zip(tokens, Int32(0)...))
            let ranks = Dictionary(uniqueKeysWithValues: merges.enumerated().map { ($1, $0) })
            let vocabulary = try Vocabulary(tokens.map { ($0, .normal) }, file: "made")
            let encoder = try BytePairEncoder(
                vocabulary: vocabulary, merges: merges.map { ($0[0][...], $0[1][...]) }, unknownToken: nil,
                fusesUnknown: false, ignoresMerges: false, file: "made")
            var scratch = MergeScratch()
            for _ in 0..<100 {
                let letters = Array("aaabbcd".utf8)
                let count = Int.random(in: 0...24, using: &generator)
                let text = (0..<count).map { _ in letters.randomElement(using: &generator)! }
                scratch.output = []
                encoder.encode(text, 0..<text.count, &scratch)
                #expect(scratch.output == naiveMerge(text, ids, ranks))
            }
        }
    }

    /// `_` stands for white space.
    private static let patterns: [(PreTokenizer.Split, pattern: String)] =
        [(.gpt2, #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^_\p{L}\p{N}]+|_+(?![^_])|_+"#)]
        + [(3, "{1,3}"), (1, "")].map { digits, count in
            let start = #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}"# + count
            return (.llama3(maxDigits: digits), start + #"| ?[^_\p{L}\p{N}]+[\r\n]*|_*[\r\n]+|_+(?![^_])|_+"#)
        }

    @Test(arguments: 0..<3) func splitsLikeTheRegularExpression(number: Int) throws {
        let (split, pattern) = Self.patterns[number]
        let regex = try NSRegularExpression(pattern: pattern.replacing("_", with: #"\p{White_Space}"#))
        let alphabet = Array(
            "  \t\n\r'aslLtrevmdSDRſ19²½Ⅷ٣日é!-.\u{301}\u{85}\u{A0}\u{3000}\u{2028}\u{200D}👍\u{0}".unicodeScalars)
        var generator = SeededGenerator(state: 5)
        let preTokenizer = PreTokenizer(split: split)
        for _ in 0..<5000 {
            var text = String.UnicodeScalarView()
            for _ in 0..<Int.random(in: 0...20, using: &generator) {
                text.append(alphabet.randomElement(using: &generator)!)
            }
            let string = NSString(string: String(text))
            let expected = regex.matches(in: string as String, range: NSRange(location: 0, length: string.length))
                .map { string.substring(with: $0.range) }
            let bytes = Array(String(text).utf8)
            var pieces: [String] = []
            preTokenizer.forEachPiece(in: bytes, 0..<bytes.count) {
                pieces.append(String(decoding: $0[$1], as: UTF8.self))
            }
            #expect(
                pieces.map { Array($0.utf8) } == expected.map { Array($0.utf8) }, "\(String(text).debugDescription)")
        }
    }

    /// Long pieces without a place to split must not take quadratic time: this takes minutes if they do.
    @Test func longPieces() throws {
        let tokenizer = try Fixtures.smolLM2()
        for unit in ["a", " ", "ab", "é", "-", "\n"] {
            let text = String(repeating: unit, count: 400_000)
            #expect(tokenizer.decode(tokenizer.encode(text)) == text)
        }
    }
}
