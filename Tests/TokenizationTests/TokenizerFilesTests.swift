import Foundation
import Testing

@testable import Tokenization

/// Vocabularies written as Hugging Face and as GGUF hold them.
struct TokenizerFilesTests {
    private static let texts = [
        "abc  12", "  12", "\n 1", "x\n\n 3", "³ ½ Ⅷ ٣٤", "trailing  ", "a\u{A0}b\u{3000}c", "e\u{301} n\u{303}",
        "👩‍👩‍👧‍👦", "'LL and 'll don't", "\r\n\t", "<|im_start|>user\n1234567<|im_end|>", "Übergrößenträger, perché?", "日本語",
    ]

    /// A directory with the files made of a vocabulary.
    private func directory(_ vocabulary: GGUFVocabulary) throws -> TokenizerDirectory {
        let files = try TokenizerFiles(vocabulary, contextLength: 2048, file: "test.gguf")
        let directory = try TokenizerDirectory(patching: [:], of: "sentencepiece")
        try directory.write("tokenizer.json", files.tokenizer)
        try directory.write("tokenizer_config.json", files.configuration)
        if let template = files.chatTemplate { try directory.write("chat_template.jinja", template) }
        return directory
    }

    @Test func smolLM2GoesThereAndBack() throws {
        let vocabulary = try Fixtures.smolLM2Vocabulary()
        let original = try Fixtures.smolLM2()
        let directory = try directory(vocabulary)
        let tokenizer = try directory.tokenizer()
        for text in Self.texts {
            #expect(tokenizer.encode(text) == original.encode(text), "\(text.debugDescription)")
            #expect(tokenizer.encode(text, parseSpecial: false) == original.encode(text, parseSpecial: false))
        }
        #expect(tokenizer.encode("abc  12") == [25276, 256, 33, 34], "digits are split off first")
        #expect(tokenizer.eosToken == 2 && tokenizer.bosToken == 1 && !tokenizer.addsBOS)
        #expect(tokenizer.chatTemplateSource == vocabulary.chatTemplate)

        let again = try GGUFVocabulary(directory: directory.url.path, rows: 49_160)
        #expect(again.model == "gpt2" && again.pre == "smollm")
        #expect(Array(again.tokens.prefix(49_152)) == vocabulary.tokens)
        #expect(again.tokens.last == "[PAD49159]" && again.tokens.count == 49_160)
        #expect(again.merges == vocabulary.merges)
        #expect(again.tokenTypes.map { Array($0.prefix(49_152)) } == vocabulary.tokenTypes)
        #expect(again.tokenTypes?.suffix(8) == [5, 5, 5, 5, 5, 5, 5, 5])
        #expect(again.bosToken == 1 && again.eosToken == 2 && again.addBOS == false)
        #expect(again.unknownToken == vocabulary.unknownToken && again.paddingToken == vocabulary.paddingToken)
        #expect(again.chatTemplate == vocabulary.chatTemplate)
    }

    @Test(arguments: ["gpt-2", "smollm", "llama-bpe", "qwen2"])
    func everySplitKeepsItsName(pre: String) throws {
        let tokens = ByteAlphabet.characters.map { String(Character($0)) } + ["<s>", "ab"]
        let vocabulary = GGUFVocabulary(
            model: "gpt2", pre: pre, tokens: tokens, tokenTypes: Array(repeating: 1, count: 256) + [3, 1],
            merges: ["a b"], bosToken: 256, eosToken: 256, unknownToken: nil, addBOS: true, chatTemplate: nil)
        let original = try Tokenizer(gguf: vocabulary, file: "test.gguf")
        let directory = try directory(vocabulary)
        let tokenizer = try directory.tokenizer()
        for text in Self.texts + ["abab 1234"] { #expect(tokenizer.encode(text) == original.encode(text)) }
        #expect(tokenizer.addsBOS && tokenizer.bosToken == 256)
        let again = try GGUFVocabulary(directory: directory.url.path, rows: 258)
        #expect(again.pre == pre && again.tokens == tokens && again.addBOS == true)
        #expect(again.tokenTypes == vocabulary.tokenTypes)
    }

    /// From `tokenizer.model`, and from `tokenizer.json` alone, whose merges become scores.
    @Test(arguments: [true, false]) func sentencePieceGoesThereAndBack(hasModel: Bool) throws {
        let source = try TokenizerDirectory(patching: [:], of: "sentencepiece")
        let configuration = #"{"bos_token": "<s>", "eos_token": "</s>", "unk_token": "<unk>", "add_bos_token": true}"#
        try source.write("tokenizer_config.json", configuration)
        if hasModel {
            let model = Fixtures.directory.appendingPathComponent("sentencepiece/tokenizer.model")
            try source.write("tokenizer.model", Data(contentsOf: model))
        }
        let tokenizer = try source.tokenizer()
        let vocabulary = try GGUFVocabulary(directory: source.url.path, rows: 400)
        #expect(vocabulary.model == "llama" && vocabulary.scores?.count == vocabulary.tokens.count)
        let gguf = try Tokenizer(gguf: vocabulary, file: "test.gguf")
        let texts = ["", "the cat sat", "  two  spaces ", "x\ny", "naïve 日本", "a b c 123", "Hello, world!"]
        for text in texts { #expect(gguf.encode(text) == tokenizer.encode(text), "\(text.debugDescription)") }
        let again = try directory(vocabulary).tokenizer()
        for text in texts { #expect(again.encode(text) == gguf.encode(text), "\(text.debugDescription)") }
        #expect(again.decode(again.encode("the cat")) == "the cat")
        #expect(again.bosToken == tokenizer.bosToken && again.eosToken == tokenizer.eosToken)
    }

    /// `▁` in special and user-defined tokens: SentencePiece takes it for a space, llama.cpp and `tokenizers` do not.
    @Test func tokensWithMarksAreFoundAsTheyAreWritten() throws {
        func piece(_ text: String, type: UInt8) -> [UInt8] {
            let piece = [0x0A, UInt8(text.utf8.count)] + Array(text.utf8) + [0x15, 0, 0, 0, 0, 0x18, type]
            return [0x0A, UInt8(piece.count)] + piece
        }
        let source = try TokenizerDirectory(patching: [:], of: "sentencepiece")
        try FileManager.default.removeItem(at: source.url.appendingPathComponent("tokenizer.json"))
        let model = Fixtures.directory.appendingPathComponent("sentencepiece/tokenizer.model")
        let more = piece("▁<x>▁", type: 4) + piece("▁<PRE>", type: 3)
        try source.write("tokenizer.model", try Data(contentsOf: model) + more)
        let tokenizer = try source.tokenizer()
        #expect(tokenizer.encode("a <x> b▁<PRE>").filter { $0 >= 400 } == [400, 401])
        #expect(!tokenizer.encode("a <PRE>").contains(401))

        let vocabulary = try GGUFVocabulary(directory: source.url.path, rows: 402)
        #expect(vocabulary.tokens.suffix(2) == [" <x> ", "▁<PRE>"] && vocabulary.tokenTypes?.suffix(2) == [4, 3])
        for reader in [try Tokenizer(gguf: vocabulary, file: "test.gguf"), try directory(vocabulary).tokenizer()] {
            #expect(reader.encode("a <x> b▁<PRE>").filter { $0 >= 400 } == [400, 401])
            #expect(reader.encode("a▁<x>▁b <PRE>").filter { $0 >= 400 } == [])
        }
    }

    @Test func aSplitWithoutANameIsRefused() throws {
        let step: [String: Any] = ["type": "ByteLevel", "add_prefix_space": true, "use_regex": true]
        let directory = try TokenizerDirectory(patching: ["pre_tokenizer": step], of: "made")
        do {
            _ = try GGUFVocabulary(directory: directory.url.path, rows: 400)
            Issue.record("accepted")
        } catch { #expect("\(error)".contains("llama.cpp has no name for")) }
    }
}
