extension Tokenizer {
    /// The tokenizer that a GGUF file describes.
    /// - Parameters:
    ///   - gguf: the file's metadata.
    ///   - file: the file's name, for errors.
    /// - Throws: for a model other than byte-level or SentencePiece BPE, an unknown `pre`, a vocabulary with empty or
    ///   repeated tokens, merges outside the vocabulary, and ids outside it.
    public convenience init(gguf: GGUFVocabulary, file: String) throws(TokenizationError) {
        guard ["gpt2", "llama"].contains(gguf.model) else {
            throw TokenizationError(
                file: file, found: "tokenizer.ggml.model is \"\(gguf.model)\"",
                expected: "\"gpt2\" (byte-level BPE) or \"llama\" (SentencePiece BPE)",
                hint: "use a model with one of these tokenizers")
        }
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
        guard gguf.addBOS != true || gguf.bosToken != nil else {
            throw TokenizationError(
                file: file, found: "tokenizer.ggml.add_bos_token without bos_token_id", expected: "both or neither",
                hint: "the file is damaged; fetch it again")
        }
        if gguf.model == "llama" {
            try self.init(sentencePiece: gguf, types: types, file: file)
        } else {
            try self.init(byteLevel: gguf, types: types, file: file)
        }
    }

    private convenience init(
        sentencePiece gguf: GGUFVocabulary, types: [Int32], file: String
    ) throws(TokenizationError) {
        guard let scores = gguf.scores, scores.count == types.count else {
            throw TokenizationError(
                file: file, found: "\(types.count) tokens and \(gguf.scores?.count ?? 0) tokenizer.ggml.scores",
                expected: "one score for each token", hint: "the file is damaged; fetch it again")
        }
        let pieces = types.indices.map {
            SentencePieceFile.Piece(text: gguf.tokens[$0], score: scores[$0], type: types[$0])
        }
        try self.init(
            pieces: pieces, place: gguf.addSpacePrefix ? .everyPart : .nowhere, bosToken: gguf.bosToken,
            eosToken: gguf.eosToken, addsBOS: gguf.addBOS ?? true, templateSource: gguf.chatTemplate, file: file)
    }

    private convenience init(byteLevel gguf: GGUFVocabulary, types: [Int32], file: String) throws(TokenizationError) {
        let kind = try GGUFKind(name: gguf.pre, file: file)
        let kinds = types.map { Vocabulary.Kind(sentencePieceType: $0 == 6 ? 1 : $0) }
        let vocabulary = try Vocabulary(Array(zip(gguf.tokens, kinds)), file: file)
        var merges: [(Substring, Substring)] = []
        merges.reserveCapacity(gguf.merges.count)
        for (index, merge) in gguf.merges.enumerated() {
            merges.append(try Self.splitMerge(merge, index, file: file))
        }
        // The unknown token is never used: like llama.cpp, bytes without a token are dropped.
        let encoder = try BytePairEncoder(
            vocabulary: vocabulary, merges: merges, unknownToken: nil, fusesUnknown: false,
            ignoresMerges: kind.ignoresMerges, file: file)
        let added = kinds.indices.filter { kinds[$0] == .special || kinds[$0] == .added }.map {
            AddedTokens.Entry(id: Int32($0), bytes: Array(gguf.tokens[$0].utf8), isSpecial: kinds[$0] == .special)
        }
        self.init(
            model: .byteLevel(encoder, kind.preTokenizer), steps: [.split(AddedTokens(added))],
            bosToken: gguf.bosToken, eosToken: gguf.eosToken,
            addsBOS: (gguf.addBOS ?? kind.addsBOS) && gguf.bosToken != nil, chatTemplateSource: gguf.chatTemplate)
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
