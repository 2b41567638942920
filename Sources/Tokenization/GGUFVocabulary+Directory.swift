import Foundation

extension GGUFVocabulary {
    /// The vocabulary of a Hugging Face directory as a GGUF file holds it, for llama.cpp to tokenize as the directory's own
    /// tokenizer does.
    /// - Parameters:
    ///   - directory: one whose tokenizer `Tokenizer(directory:)` reads.
    ///   - rows: of the model's embedding; ids without a token become unused ones.
    /// - Throws: for a way of splitting text that llama.cpp has no name for, and for ids that the model has no row for.
    public init(directory: String, rows: Int) throws(TokenizationError) {
        let tokenizer = try Tokenizer(directory: directory)
        let path = "\(directory)/tokenizer.json"
        let configuration = try SourceFile(path: "\(directory)/tokenizer_config.json")
            .decode(TokenizerConfiguration.self)
        let files = FileManager.default
        let file = files.fileExists(atPath: path) ? try SourceFile(path: path).decode(TokenizerFile.self) : nil
        let modelPath = "\(directory)/tokenizer.model"
        let isSentencePiece = file.map { $0.model.byteFallback == true } ?? true
        var list: TokenList
        var pre: String?
        var merges: [String] = []
        if let file, !isSentencePiece {
            let splits = try PreTokenizer(file.preTokenizer, path)
            pre = GGUFKind.name(of: splits, ignoresMerges: file.model.ignoreMerges ?? false)
            guard pre != nil else {
                throw TokenizationError(
                    file: path, found: "a way of splitting text that llama.cpp has no name for",
                    expected: "that of GPT-2, SmolLM, Llama 3 or Qwen2", hint: "export another format")
            }
            merges = file.model.joinedMerges
            list = TokenList(file)
        } else if files.fileExists(atPath: modelPath) {
            list = TokenList(try SentencePieceFile(try SourceFile(path: modelPath)))
        } else if let file {
            list = TokenList(file)
            list.scoreByMerges(file.model.joinedMerges)
        } else {
            preconditionFailure("Tokenizer(directory:) found one of the two")
        }
        for (key, token) in configuration.addedTokens ?? [:] {
            guard let id = Int(key), 0..<rows ~= id else {
                throw TokenizationError(
                    file: "\(directory)/tokenizer_config.json", found: "added_tokens_decoder has the token id \(key)",
                    expected: "a number below the model's \(rows) tokens",
                    hint: "the file is damaged, or of another model")
            }
            list.add(token.content, id: id, type: token.special == true ? 3 : 4)
        }
        guard list.tokens.count <= rows else {
            throw TokenizationError(
                file: directory, found: "a tokenizer with \(list.tokens.count) tokens",
                expected: "at most the model's \(rows)", hint: "the tokenizer is of another model")
        }
        list.pad(to: rows)
        func id(_ text: String?) -> Int32? { text.flatMap { list.ids[TokenTable.Key($0)] }.map { Int32($0) } }
        self.init(
            model: isSentencePiece ? "llama" : "gpt2", pre: pre ?? (isSentencePiece ? "default" : nil),
            tokens: list.tokens, tokenTypes: list.types, scores: isSentencePiece ? list.scores : nil, merges: merges,
            bosToken: tokenizer.bosToken, eosToken: tokenizer.eosToken,
            unknownToken: id(configuration.unknownToken?.content ?? file?.model.unkToken)
                ?? list.types.firstIndex(of: 2).map { Int32($0) },
            paddingToken: id(configuration.paddingToken?.content), addBOS: tokenizer.addsBOS,
            addSpacePrefix: isSentencePiece ? tokenizer.putsSpaceInFront : false,
            chatTemplate: tokenizer.chatTemplateSource)
    }
}

/// Tokens in the order of their ids, while they are gathered.
private struct TokenList {
    private(set) var tokens: [String] = []
    private(set) var types: [Int32] = []
    private(set) var scores: [Float] = []
    private(set) var ids: [TokenTable.Key: Int] = [:]

    init(_ file: TokenizerFile) {
        for (text, id) in file.model.vocab {
            let isByte = file.model.byteFallback == true && SpaceMark.byte(of: text) != nil
            add(text, id: Int(id), type: isByte ? 6 : 1)
        }
        for token in file.addedTokens ?? [] {
            let isUnknown = file.model.unkToken.map { TokenTable.Key(token.content) == TokenTable.Key($0) } ?? false
            add(token.content, id: Int(token.id), type: isUnknown ? 2 : token.special == true ? 3 : 4)
        }
    }

    init(_ file: SentencePieceFile) {
        for (id, piece) in file.pieces.enumerated() {
            // llama.cpp looks for user-defined tokens in a text whose spaces are spaces still.
            let text = piece.type == 4 ? SpaceMark.replaced(in: piece.text) : piece.text
            add(text, id: id, type: piece.type, score: piece.score)
        }
    }

    /// Puts a token at its place; of one that is there already, only a normal one's type changes.
    mutating func add(_ text: String, id: Int, type: Int32, score: Float = 0) {
        while tokens.count <= id {
            tokens.append("")
            types.append(5)
            scores.append(0)
        }
        if tokens[id].isEmpty {
            (tokens[id], types[id], scores[id]) = (text, type, score)
            ids[TokenTable.Key(text)] = id
        } else if types[id] == 1 {
            types[id] = type
        }
    }

    /// Scores by which llama.cpp merges in the order of `merges`: the earlier a token can be made, the higher.
    mutating func scoreByMerges(_ merges: [String]) {
        for index in scores.indices { scores[index] = -Float(merges.count) }
        for (rank, merge) in merges.enumerated().reversed() {
            let token = String(decoding: merge.utf8.filter { $0 != PreTokenizer.space }, as: UTF8.self)
            if let id = ids[TokenTable.Key(token)] { scores[id] = -Float(rank) }
        }
    }

    mutating func pad(to rows: Int) {
        for id in 0..<max(rows, tokens.count) where id >= tokens.count || tokens[id].isEmpty {
            add("[PAD\(id)]", id: id, type: 5)
        }
    }
}

extension TokenizerFile.Model {
    /// Merges as older files and GGUF write them: `left right`.
    fileprivate var joinedMerges: [String] {
        switch merges {
        case .joined(let lines): lines
        case .pairs(let pairs): pairs.map { $0.joined(separator: " ") }
        }
    }
}
