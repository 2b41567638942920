import Foundation
import Testing

@testable import Tokenization

/// What a Hugging Face directory can have wrong: each is refused with the file and what was found.
struct TokenizerDirectoryErrorTests {
    private func expectRefusal(
        _ directory: TokenizerDirectory, _ file: String, _ found: String?,
        sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let error = #expect(throws: TokenizationError.self, sourceLocation: sourceLocation) {
            try directory.tokenizer()
        }
        #expect(error?.file.hasSuffix("/" + file) == true, sourceLocation: sourceLocation)
        if let found {
            #expect(
                error?.found.contains(found) == true, "\(error?.description ?? "no error")",
                sourceLocation: sourceLocation)
        }
    }

    private func expectRefusal(
        _ patch: [String: Any?], _ found: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
        expectRefusal(try TokenizerDirectory(patching: patch), "tokenizer.json", found, sourceLocation: sourceLocation)
    }

    @Test func missingFiles() throws {
        for name in ["tokenizer.json", "tokenizer_config.json"] {
            let directory = try TokenizerDirectory(patching: [:])
            try FileManager.default.removeItem(at: directory.url.appendingPathComponent(name))
            expectRefusal(directory, name, "no such file")
        }
    }

    @Test func invalidJSON() throws {
        for text in ["", "{", "null", "[]", "\u{0}", "{\"model\": 1}", String(repeating: "[", count: 100_000)] {
            let directory = try TokenizerDirectory(patching: [:])
            try directory.write("tokenizer.json", text)
            expectRefusal(directory, "tokenizer.json", nil)
        }
        let directory = try TokenizerDirectory(patching: [:])
        try directory.write("tokenizer_config.json", #"{"eos_token": 3}"#)
        expectRefusal(directory, "tokenizer_config.json", "eos_token has the wrong type")
    }

    @Test func vocabulary() throws {
        try expectRefusal(["model.vocab.!": 1000], "outside 0 ..< 405")
        try expectRefusal(["model.vocab.!": -1], "outside 0 ..< 405")
        try expectRefusal(["model.vocab.!": 4_000_000_000], "out of range")
        try expectRefusal(["model.vocab.!": 3], "taken")
        try expectRefusal(["model.vocab": nil], "model.vocab is missing")
        try expectRefusal(["model.vocab": ["a": "b"]], "model.vocab.a has the wrong type")
        try expectRefusal(["added_tokens": [["id": 401, "content": ""]]], "added token 401 has no text")
    }

    @Test func merges() throws {
        try expectRefusal(["model.merges": [["t", "q"]]], #"merges[0] names "tq""#)
        try expectRefusal(["model.merges": [["e", "r"], ["日", "q"]]], #"merges[1] names "日""#)
        try expectRefusal(["model.merges": [["t", "h", "e"]]], "model.merges[0]")
        try expectRefusal(["model.merges": [["t", ""]]], "model.merges[0]")
        try expectRefusal(["model.merges": [["t"]]], "model.merges[0]")
        for merge in ["th", " th", "th ", "t h e", "t  h", "", " "] {
            try expectRefusal(["model.merges": [merge]], #"merges[0] is "\#(merge)""#)
        }
    }

    @Test func unsupportedParts() throws {
        try expectRefusal(["model.type": "Unigram"], #"model.type is "Unigram""#)
        // Byte fallback is SentencePiece's.
        try expectRefusal(["model.byte_fallback": true], "decoder is ByteLevel")
        try expectRefusal(["model.byte_fallback": true, "decoder": ["type": "Metaspace"]], "no token for the byte 0")
        try expectRefusal(["model.dropout": 0.1], "dropout")
        try expectRefusal(["model.continuing_subword_prefix": "##"], "continuing_subword_prefix")
        try expectRefusal(["model.end_of_word_suffix": "</w>"], "end_of_word_suffix")
        try expectRefusal(["model.unk_token": "<none>"], #"model.unk_token is "<none>""#)
        try expectRefusal(["normalizer": ["type": "NFD"]], "normalizer is NFD")
        try expectRefusal(
            ["normalizer": ["type": "Sequence", "normalizers": [["type": "NFKC"]]]], "normalizer is NFKC")
        try expectRefusal(["decoder": nil], "decoder is missing")
        try expectRefusal(["decoder": ["type": "Metaspace"]], "decoder is Metaspace")
        try expectRefusal(
            ["added_tokens": [["id": 401, "content": "<user>", "single_word": true]]], "single_word")
    }

    @Test func unsupportedSplits() throws {
        func steps(_ steps: [String: Any]...) -> [String: Any] { ["type": "Sequence", "pretokenizers": steps] }
        let byteLevel: [String: Any] = ["type": "ByteLevel", "add_prefix_space": false, "use_regex": false]
        let llama3: [String: Any] = [
            "type": "Split", "behavior": "Isolated", "invert": false, "pattern": ["Regex": #"\p{N}{1,3}"#],
        ]
        try expectRefusal(["pre_tokenizer": nil], "pre_tokenizer is missing")
        try expectRefusal(["pre_tokenizer": ["type": "Metaspace"]], "pre_tokenizer is Metaspace")
        try expectRefusal(["pre_tokenizer": steps(llama3, byteLevel)], #"Split with Isolated of \p{N}{1,3}"#)
        try expectRefusal(
            ["pre_tokenizer": steps(["type": "Digits", "individual_digits": false], byteLevel)],
            "Digits(individual_digits: false)")
        try expectRefusal(["pre_tokenizer": steps(byteLevel, byteLevel)], "ByteLevel, ByteLevel")
        try expectRefusal(["pre_tokenizer": ["type": "Sequence", "pretokenizers": [[String: Any]]()]], "missing")
    }

    @Test func specialTokens() throws {
        let directory = try TokenizerDirectory(patching: [:])
        try directory.write("tokenizer_config.json", #"{"eos_token": "<none>"}"#)
        expectRefusal(directory, "tokenizer_config.json", #"eos_token is "<none>""#)
        try directory.write("tokenizer_config.json", #"{"bos_token": {"content": "<none>"}}"#)
        expectRefusal(directory, "tokenizer_config.json", #"bos_token is "<none>""#)
        let addsEOS: [String: Any] = [
            "type": "TemplateProcessing", "single": [["Sequence": ["id": "A"]], ["SpecialToken": ["id": "<unk>"]]],
        ]
        try expectRefusal(["post_processor": addsEOS], "post_processor TemplateProcessing")
        try expectRefusal(["post_processor": ["type": "BertProcessing"]], "post_processor BertProcessing")
    }

    /// Ids of `tokenizer_config.json` that the model has no row for, before anything is made of them.
    @Test(arguments: ["-5", "1000", "999999999999", "x"]) func idsBeyondTheModel(id: String) throws {
        let bytes: [String: Any] = ["type": "ByteLevel", "add_prefix_space": false, "use_regex": true]
        let directory = try TokenizerDirectory(patching: ["pre_tokenizer": bytes])
        try directory.write("tokenizer_config.json", "{}")
        #expect(try GGUFVocabulary(directory: directory.url.path, rows: 1000).tokens.count == 1000)
        try directory.write("tokenizer_config.json", #"{"added_tokens_decoder": {"\#(id)": {"content": "z"}}}"#)
        let error = #expect(throws: TokenizationError.self) {
            try GGUFVocabulary(directory: directory.url.path, rows: 1000)
        }
        #expect(error?.found == "added_tokens_decoder has the token id \(id)")
        let narrow = #expect(throws: TokenizationError.self) {
            try directory.write("tokenizer_config.json", "{}")
            _ = try GGUFVocabulary(directory: directory.url.path, rows: 5)
        }
        #expect(narrow?.expected == "at most the model's 5")
    }

    /// Cut anywhere or with any byte changed, a file is read or refused; never a crash.
    @Test func damagedFiles() throws {
        let directory = try TokenizerDirectory(patching: [:])
        let whole = try Data(contentsOf: directory.url.appendingPathComponent("tokenizer.json"))
        var generator = SeededGenerator(state: 7)
        var refused = 0
        for round in 0..<600 {
            var data = whole
            if round % 3 == 0 {
                data = data.prefix(Int.random(in: 0..<data.count, using: &generator))
            } else {
                for _ in 0..<Int.random(in: 1...3, using: &generator) {
                    data[Int.random(in: 0..<data.count, using: &generator)] = UInt8.random(
                        in: 0...255, using: &generator)
                }
            }
            try directory.write("tokenizer.json", data)
            do {
                let tokenizer = try directory.tokenizer()
                _ = tokenizer.decode(tokenizer.encode("the quick brown fox <|end|> 12 日本"))
            } catch {
                #expect(error.file.hasSuffix("/tokenizer.json"))
                refused += 1
            }
        }
        #expect(refused > 300)
    }
}
