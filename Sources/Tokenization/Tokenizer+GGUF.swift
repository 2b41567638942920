extension Tokenizer {
    /// The tokenizer that a GGUF file describes.
    /// - Parameter file: the file's name, for errors.
    /// - Throws: for a model other than byte-level BPE, an unknown `pre`, a vocabulary with empty or repeated tokens,
    ///   merges outside the vocabulary, and ids outside it.
    public convenience init(gguf: GGUFVocabulary, file: String) throws(TokenizationError) {
        guard gguf.model == "gpt2" else {
            throw TokenizationError(
                file: file, found: "tokenizer.ggml.model is \"\(gguf.model)\"", expected: "\"gpt2\" (byte-level BPE)",
                hint: "use a model with a byte-level BPE tokenizer")
        }
        let preTokenizer = try PreTokenizer(ggufName: gguf.pre, file: file)
        let types = gguf.tokenTypes ?? Array(repeating: 1, count: gguf.tokens.count)
        guard types.count == gguf.tokens.count, !types.isEmpty else {
            throw TokenizationError(
                file: file, found: "\(gguf.tokens.count) tokens and \(types.count) token types",
                expected: "one type for each token", hint: "the file is damaged; fetch it again")
        }
        for id in [gguf.bosToken, gguf.eosToken, gguf.unknownToken] {
            guard let id, !gguf.tokens.indices.contains(Int(id)) else { continue }
            throw TokenizationError(
                file: file, found: "special token \(id) in a vocabulary of \(gguf.tokens.count)",
                expected: "an id below \(gguf.tokens.count)", hint: "the file is damaged; fetch it again")
        }
        guard !gguf.addBOS || gguf.bosToken != nil else {
            throw TokenizationError(
                file: file, found: "tokenizer.ggml.add_bos_token without bos_token_id", expected: "both or neither",
                hint: "the file is damaged; fetch it again")
        }
        let kinds = types.map(Vocabulary.Kind.init(ggufType:))
        let vocabulary = try Vocabulary(Array(zip(gguf.tokens, kinds)), file: file)
        var merges: [(Substring, Substring)] = []
        merges.reserveCapacity(gguf.merges.count)
        for (index, merge) in gguf.merges.enumerated() {
            merges.append(try Self.splitMerge(merge, index, file: file))
        }
        // The unknown token is never used: like llama.cpp, bytes without a token are dropped.
        let encoder = try BytePairEncoder(
            vocabulary: vocabulary, merges: merges, unknownToken: nil, fusesUnknown: false, ignoresMerges: false,
            file: file)
        let added = kinds.indices.filter { kinds[$0] == .special || kinds[$0] == .added }.map {
            AddedTokens.Entry(id: Int32($0), bytes: Array(gguf.tokens[$0].utf8), isSpecial: kinds[$0] == .special)
        }
        self.init(
            encoder: encoder, preTokenizer: preTokenizer, addedTokens: [AddedTokens(added)], bosToken: gguf.bosToken,
            eosToken: gguf.eosToken, addsBOS: gguf.addBOS, chatTemplateSource: gguf.chatTemplate)
    }

    /// `"left right"` → its two tokens.
    static func splitMerge(_ merge: String, _ index: Int, file: String) throws(TokenizationError) -> (
        Substring, Substring
    ) {
        let utf8 = merge.utf8
        if let space = utf8.firstIndex(of: PreTokenizer.space), space != utf8.startIndex {
            let right = utf8[utf8.index(after: space)...]
            if !right.isEmpty, !right.contains(PreTokenizer.space) {
                return (Substring(utf8[..<space]), Substring(right))
            }
        }
        throw TokenizationError(
            file: file, found: "merges[\(index)] is \"\(merge)\"", expected: "two tokens with a space between",
            hint: "the file is damaged; fetch it again")
    }
}

extension Vocabulary.Kind {
    fileprivate init(ggufType: Int32) {
        switch ggufType {
        case 2, 3: self = .special
        case 4: self = .added
        case 5: self = .unused
        default: self = .normal
        }
    }
}

extension PreTokenizer {
    /// Names of `tokenizer.ggml.pre` and what they mean.
    private static let ggufNames: [String: PreTokenizer] = [
        "gpt-2": PreTokenizer(split: .gpt2),
        "smollm": PreTokenizer(split: .gpt2, isolatesDigits: true),
    ]

    fileprivate init(ggufName: String?, file: String) throws(TokenizationError) {
        guard let name = ggufName, let known = Self.ggufNames[name] else {
            let names = Self.ggufNames.keys.sorted().map { "\"\($0)\"" }.joined(separator: " or ")
            throw TokenizationError(
                file: file,
                found: ggufName.map { "tokenizer.ggml.pre is \"\($0)\"" } ?? "tokenizer.ggml.pre is missing",
                expected: names, hint: "this tokenizer's way of splitting text is not supported; use another model")
        }
        self = known
    }
}
