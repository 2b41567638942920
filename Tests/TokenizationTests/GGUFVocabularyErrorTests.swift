import Testing

@testable import Tokenization

/// What the tokenizer metadata of a GGUF file can have wrong.
struct GGUFVocabularyErrorTests {
    private func make(
        model: String = "gpt2", pre: String? = "gpt-2", tokens: [String] = ["a", "b", "ab", "<e>"],
        types: [Int32]? = [1, 1, 1, 3], merges: [String] = ["a b"], bos: Int32? = nil, eos: Int32? = 3,
        addBOS: Bool = false
    ) throws(TokenizationError) -> Tokenizer {
        try Tokenizer(
            gguf: GGUFVocabulary(
                model: model, pre: pre, tokens: tokens, tokenTypes: types, merges: merges, bosToken: bos,
                eosToken: eos, unknownToken: nil, addBOS: addBOS, chatTemplate: nil), file: "m.gguf")
    }

    private func expect(
        _ found: String, _ body: () throws -> Tokenizer, sourceLocation: SourceLocation = #_sourceLocation
    ) {
        let error = #expect(throws: TokenizationError.self, sourceLocation: sourceLocation) { try body() }
        #expect(error?.file == "m.gguf", sourceLocation: sourceLocation)
        #expect(
            error?.found.contains(found) == true, "\(error?.description ?? "no error")", sourceLocation: sourceLocation)
    }

    @Test func accepted() throws {
        let tokenizer = try make()
        #expect(tokenizer.encode("aab<e>x") == [0, 2, 3])
        #expect(tokenizer.encode("<e>", parseSpecial: false) == [])
        #expect(try make(types: nil).encode("<e>") == [], "without types no token is special")
        #expect(try make(bos: 3, addBOS: true).addsBOS)
    }

    @Test func refused() {
        expect(#"tokenizer.ggml.model is "bert""#) { try make(model: "bert") }
        expect("4 tokens and 0 tokenizer.ggml.scores") { try make(model: "llama") }
        expect(#"tokenizer.ggml.pre is "bloom""#) { try make(pre: "bloom") }
        expect("tokenizer.ggml.pre is missing") { try make(pre: nil) }
        expect("4 tokens and 3 token types") { try make(types: [1, 1, 1]) }
        expect("0 tokens") { try make(tokens: [], types: nil, merges: [], eos: nil) }
        expect("token 1 of 4 has no text") { try make(tokens: ["a", "", "ab", "<e>"]) }
        expect(#"tokens 0 and 1 are both "a""#) { try make(tokens: ["a", "a", "ab", "<e>"]) }
        expect(#"merges[0] names "b""#) { try make(tokens: ["a", "c", "ab", "<e>"]) }
        expect(#"merges[0] names "ab""#) { try make(tokens: ["a", "b", "c", "<e>"]) }
        expect(#"merges[1] names "é́""#) { try make(merges: ["a b", "a é́"]) }
        expect(#"merges[0] is "ab""#) { try make(merges: ["ab"]) }
        expect("special token 4 in a vocabulary of 4") { try make(eos: 4) }
        expect("special token -1 in a vocabulary of 4") { try make(eos: -1) }
        expect("add_bos_token without bos_token_id") { try make(addBOS: true) }
    }

    @Test func errorReadsAsOneSentence() {
        let error = #expect(throws: TokenizationError.self) { try make(pre: "bloom") }
        #expect(
            error?.description
                == "m.gguf: tokenizer.ggml.pre is \"bloom\"; expected \"gpt-2\" or \"llama-bpe\" or \"qwen2\" or \"smollm\"; this tokenizer's way of "
                + "splitting text is not supported; use another model")
    }
}
