import Foundation
import Testing

@testable import Tokenization

/// A small SentencePiece model in all the forms that models bring, against `sentencepiece` and `tokenizers`.
struct SentencePieceTests {
    private struct Case: Decodable {
        struct Row: Decodable {
            let text: String
            let ids: [Int32]
            let decoded: String
        }
        let name: String
        let rows: [Row]
    }

    private static let folder = Fixtures.directory.appendingPathComponent("sentencepiece")
    private static let modelData = Result { try Data(contentsOf: folder.appendingPathComponent("tokenizer.model")) }

    private func cases() throws -> (cases: [Case], patches: [[String: Any]]) {
        let data = try Data(contentsOf: Self.folder.appendingPathComponent("cases.json"))
        let raw = try #require(try JSONSerialization.jsonObject(with: data) as? [[String: Any]])
        let cases = try JSONDecoder().decode([Case].self, from: data)
        #expect(cases.count == 7)
        return (cases, raw.compactMap { $0["patch"] as? [String: Any] })
    }

    private func check(_ tokenizer: Tokenizer, _ row: Case.Row, parseSpecial: Bool, _ name: String) {
        let ids = tokenizer.encode(row.text, parseSpecial: parseSpecial)
        #expect(ids == row.ids, "\(name): \(row.text.debugDescription)")
        let text = tokenizer.decode(row.ids, skipSpecial: false)
        #expect(text.utf8.elementsEqual(row.decoded.utf8), "\(name): \(row.text.debugDescription)")
    }

    /// A directory with tokenizer.model alone.
    private func modelDirectory(_ data: Data, configuration: String = "{}") throws -> TokenizerDirectory {
        let directory = try TokenizerDirectory(patching: [:], of: "sentencepiece")
        try FileManager.default.removeItem(at: directory.url.appendingPathComponent("tokenizer.json"))
        try directory.write("tokenizer.model", data)
        try directory.write("tokenizer_config.json", configuration)
        return directory
    }

    @Test func idsAreTheReferences() throws {
        let (cases, patches) = try cases()
        for (variant, patch) in zip(cases, patches).dropFirst() {
            let tokenizer = try TokenizerDirectory(
                patching: patch.mapValues { $0 is NSNull ? nil : $0 }, of: "sentencepiece"
            ).tokenizer()
            for row in variant.rows { check(tokenizer, row, parseSpecial: true, variant.name) }
        }
        let model = try modelDirectory(Self.modelData.get()).tokenizer()
        for row in cases[0].rows { check(model, row, parseSpecial: false, "tokenizer.model") }
        let gguf = try makeGGUF()
        // llama.cpp cuts user-defined tokens out before it puts the space in front, SentencePiece after.
        for row in cases[0].rows where !row.text.contains("<user>") {
            check(gguf, row, parseSpecial: false, "GGUF")
        }
        // Special tokens inside a text: a GGUF file is read as Llama 2's tokenizer.json.
        for row in cases[1].rows { check(gguf, row, parseSpecial: true, "GGUF") }
    }

    private func makeGGUF(addSpacePrefix: Bool = true) throws -> Tokenizer {
        let directory = try modelDirectory(Self.modelData.get())
        let path = directory.url.appendingPathComponent("tokenizer.model").path
        let pieces = try SentencePieceFile(SourceFile(path: path)).pieces
        return try Tokenizer(
            gguf: GGUFVocabulary(
                model: "llama", pre: nil, tokens: pieces.map(\.text), tokenTypes: pieces.map(\.type),
                scores: pieces.map(\.score), merges: [], bosToken: 1, eosToken: 2, unknownToken: 0, addBOS: nil,
                addSpacePrefix: addSpacePrefix, chatTemplate: nil), file: "m.gguf")
    }

    @Test func marksAndBOS() throws {
        for tokenizer in [try modelDirectory(Self.modelData.get()).tokenizer(), try makeGGUF()] {
            #expect((tokenizer.bosToken, tokenizer.eosToken) == (1, 2))
            #expect(tokenizer.addsBOS)
            #expect(tokenizer.marks == TextMarks(begin: "<s>", end: "</s>"))
            #expect(tokenizer.tokenID("</s>") == 2)
            #expect(tokenizer.tokenText(3) == "<user>")
        }
        let silent = try modelDirectory(Self.modelData.get(), configuration: #"{"add_bos_token": false}"#).tokenizer()
        #expect(!silent.addsBOS)
        let added = #"{"added_tokens_decoder": {"400": {"content": "<|im_end|>", "special": true}}}"#
        #expect(
            try modelDirectory(Self.modelData.get(), configuration: added).tokenizer().encode("<|im_end|>") == [400])
    }

    /// Text that goes on has no space of its own in front, but one after a special token, unless the model says no.
    @Test func textThatGoesOn() throws {
        let tokenizer = try makeGGUF()
        let whole = tokenizer.encode("<s>the fox</s>the cat")
        var ids: [Int32] = []
        for part in ["<s>", "the", " fox</s>", "the cat"] { ids += tokenizer.encode(part, following: ids.last) }
        #expect(ids == whole)
        #expect(tokenizer.encode("the") != tokenizer.encode("the", following: 300))
        #expect(tokenizer.decode(tokenizer.encode("the", following: 300), isStart: false) == "the")
        #expect(tokenizer.decode(tokenizer.encode("the"), isStart: false) == " the")
        let modern = try modelDirectory(Self.modelData.get(), configuration: #"{"legacy": false}"#).tokenizer()
        #expect(
            modern.encode("the<s>the") == modern.encode("the") + [1] + modern.encode("the", following: 300))
        let bare = try makeGGUF(addSpacePrefix: false)
        #expect(bare.decode(bare.encode("the"), isStart: false) == "the")
    }

    /// Texts that Swift takes for equal, U+00B7 and U+0387, a composed and a decomposed é, are tokens of their own.
    @Test func equivalentTextsAreSeveralTokens() throws {
        let directory = try TokenizerDirectory(patching: [:], of: "sentencepiece")
        let file = directory.url.appendingPathComponent("tokenizer.json")
        var text = try String(contentsOf: file, encoding: .utf8)
        let start = #""vocab":{"#
        #expect(text.components(separatedBy: start).count == 2)
        // The second spellings once as they are and once as escapes.
        text = text.replacingOccurrences(
            of: start,
            with: start + "\"\u{B7}\":400,\"\u{387}\":401,\"ne\u{301}\":402, \"n\u{E9}\" : 403,\n"
                + #""\u212B":404,"\u00c5":405,"\ud83d\ude00\"\\":406,"#)
        text = text.replacingOccurrences(
            of: #""merges":["#, with: "\"merges\":[[\"n\",\"\u{E9}\"],")
        try directory.write("tokenizer.json", text)
        let tokenizer = try directory.tokenizer()
        #expect(tokenizer.vocabularySize == 407)
        let texts = ["\u{B7}", "\u{387}", "ne\u{301}", "n\u{E9}", "\u{212B}", "\u{C5}", "\u{1F600}\"\\"]
        for (number, text) in texts.enumerated() {
            let found = tokenizer.tokenText(Int32(400 + number))
            #expect(found.utf8.elementsEqual(text.utf8), "\(number)")
            #expect(tokenizer.decode([Int32(400 + number)]).utf8.elementsEqual(text.utf8), "\(number)")
        }
        for number in [0, 1, 3, 4, 5] {
            #expect(tokenizer.encode(texts[number]).last == Int32(400 + number), "\(number)")
        }
        // As an added token, a spelling is that one and not the other.
        text = text.replacingOccurrences(
            of: #""added_tokens":["#,
            with: "\"added_tokens\":[{\"id\":401,\"content\":\"\u{387}\",\"special\":true},"
                + "{\"id\":407,\"content\":\"\u{301}\",\"special\":false},")
        try directory.write("tokenizer.json", text)
        let added = try directory.tokenizer()
        #expect(added.vocabularySize == 408)
        #expect(added.decode([400, 401]).utf8.elementsEqual("\u{B7}".utf8))
    }

    /// A character that is no token itself merges all the same, as in SentencePiece, or becomes its bytes.
    @Test func charactersThatAreNoTokens() throws {
        var pieces = (0...255).map { byte in
            SentencePieceFile.Piece(
                text: "<0x" + (byte < 16 ? "0" : "") + String(byte, radix: 16, uppercase: true) + ">", type: 6)
        }
        pieces += [("b", -2), ("éb", -1), ("bb", -1), ("bbb", -3)].map { .init(text: $0.0, score: $0.1, type: 1) }
        let tokenizer = try Tokenizer(
            pieces: pieces, place: .nowhere, bosToken: nil, eosToken: nil, addsBOS: false, templateSource: nil,
            file: "made")
        #expect(tokenizer.encode("éb") == [257])
        #expect(tokenizer.encode("éa") == [0xC3, 0xA9, 0x61])
        // Equal scores: the leftmost goes first.
        #expect(tokenizer.encode("ébbb") == [257, 258])
        #expect(tokenizer.encode("bbb") == [259])
        #expect(tokenizer.decode([0xC3, 0xA9, 257]) == "ééb")
    }

    @Test func refused() throws {
        let data = try Self.modelData.get()
        func expect(_ data: Data, _ found: String, sourceLocation: SourceLocation = #_sourceLocation) throws {
            let directory = try modelDirectory(data)
            let error = #expect(throws: TokenizationError.self, sourceLocation: sourceLocation) {
                try directory.tokenizer()
            }
            #expect(error?.file.hasSuffix("/tokenizer.model") == true, sourceLocation: sourceLocation)
            #expect(error?.found.contains(found) == true, "\(error?.found ?? "")", sourceLocation: sourceLocation)
        }
        try expect(Data(), "not a SentencePiece model")
        try expect(Data("IQ== 0\nIg== 1\n".utf8), "not a SentencePiece model")
        try expect(data.prefix(data.count / 2), "not a SentencePiece model")
        // A later field of a protocol buffer wins: other trainer and normalizer specifications behind the real ones.
        try expect(data + Data([0x12, 2, 0x18, 1]), "a model of type unigram")
        try expect(data + Data([0x1A, 3, 0x12, 1, 0x41]), "a normalizer with a character map")
        try expect(data + Data([0x1A, 2, 0x20, 1]), "removes spaces")
        for patch: [String: Any?] in [
            ["normalizer": ["type": "NFKC"]], ["normalizer": nil], ["pre_tokenizer": ["type": "Whitespace"]],
            ["normalizer": nil, "pre_tokenizer": ["type": "Metaspace", "replacement": "▁", "split": true]],
            ["model.ignore_merges": true], ["decoder": ["type": "ByteLevel"]],
        ] {
            let directory = try TokenizerDirectory(patching: patch, of: "sentencepiece")
            #expect(throws: TokenizationError.self, "\(patch)") { try directory.tokenizer() }
        }
    }

    /// Cut anywhere or with any byte changed, a file is read or refused; never a crash.
    @Test func damagedFiles() throws {
        let whole = try Self.modelData.get()
        let directory = try modelDirectory(whole)
        var generator = SeededGenerator(state: 11)
        var refused = 0
        for round in 0..<400 {
            var data = whole
            if round % 3 == 0 {
                data = data.prefix(Int.random(in: 0..<data.count, using: &generator))
            } else {
                data[Int.random(in: 0..<data.count, using: &generator)] = UInt8.random(in: 0...255, using: &generator)
            }
            try directory.write("tokenizer.model", data)
            do {
                let tokenizer = try directory.tokenizer()
                _ = tokenizer.decode(tokenizer.encode("the quick <s> 12 日本"))
            } catch { refused += 1 }
        }
        #expect(refused > 100)
    }
}
