extension Tokenizer {
    /// The tokenizer of a SentencePiece model and a `tokenizer_config.json`.
    convenience init(
        _ file: SentencePieceFile, configuration: TokenizerConfiguration, configurationPath: String,
        templateSource: String?
    ) throws(TokenizationError) {
        var pieces = file.pieces
        let added = (configuration.addedTokens ?? [:]).compactMap { key, token in Int(key).map { ($0, token) } }
            .sorted { $0.0 < $1.0 }
        for (id, token) in added where id >= file.pieces.count {
            guard id == pieces.count else {
                throw TokenizationError(
                    file: configurationPath, found: "added token \"\(token.content)\" with id \(id)",
                    expected: "id \(pieces.count)", hint: "the files belong to different models")
            }
            pieces.append(.init(text: token.content, score: 0, type: token.special == true ? 3 : 4))
        }
        func id(_ text: String?, or other: Int32) throws(TokenizationError) -> Int32? {
            guard let text else { return pieces.indices.contains(Int(other)) ? other : nil }
            if let id = pieces.firstIndex(where: { $0.text == text }) { return Int32(id) }
            throw TokenizationError(
                file: configurationPath, found: "token \"\(text)\", which is not in the vocabulary",
                expected: "a known token", hint: "the files belong to different models")
        }
        let place: SpacePrefix.Place =
            !file.addsPrefix ? .nowhere : configuration.legacy == false ? .start : .everyPart
        // SentencePiece finds its own user-defined tokens after it has put the space in front.
        try self.init(
            pieces: pieces, lateTokens: 0..<file.pieces.count, place: place,
            bosToken: try id(configuration.bosToken?.content, or: file.bosID),
            eosToken: try id(configuration.eosToken?.content, or: file.eosID), addsBOS: configuration.addBOS ?? true,
            templateSource: templateSource, file: file.path)
    }

    /// A SentencePiece tokenizer whose merges follow from its tokens' scores.
    /// `lateTokens`: ids of which the user-defined ones are cut out after the space is put in front, not before.
    convenience init(
        pieces: [SentencePieceFile.Piece], lateTokens: Range<Int> = 0..<0, place: SpacePrefix.Place, bosToken: Int32?,
        eosToken: Int32?, addsBOS: Bool,
        templateSource: String?, file: String
    ) throws(TokenizationError) {
        let kinds = pieces.map { Vocabulary.Kind(sentencePieceType: $0.type) }
        let vocabulary = try Vocabulary(
            zip(pieces, kinds).map { ($0.text, $1) }, spelling: .sentencePiece, file: file)
        let encoder = try SentencePieceEncoder(vocabulary: vocabulary, scores: pieces.map(\.score), file: file)
        var early: [AddedTokens.Entry] = []
        var late: [AddedTokens.Entry] = []
        for (id, kind) in kinds.enumerated() where kind == .special || kind == .added {
            let isLate = kind == .added && lateTokens.contains(id)
            // Where spaces are marked, `▁` of a token is one; before, tokens are found as they are written.
            let bytes = isLate ? Array(vocabulary.bytes(of: Int32(id))) : Array(pieces[id].text.utf8)
            let entry = AddedTokens.Entry(id: Int32(id), bytes: bytes, isSpecial: kind == .special)
            if isLate { late.append(entry) } else { early.append(entry) }
        }
        self.init(
            model: .sentencePiece(encoder),
            steps: [.split(AddedTokens(early)), .prefix(SpacePrefix(place: place)), .split(AddedTokens(late))],
            stripsSpace: place != .nowhere, bosToken: bosToken, eosToken: eosToken,
            addsBOS: addsBOS && bosToken != nil, chatTemplateSource: templateSource)
    }
}

extension Vocabulary.Kind {
    /// - Parameter type: SentencePiece's number of a piece's type, which GGUF has, too.
    init(sentencePieceType type: Int32) {
        switch type {
        case 2, 3: self = .special
        case 4: self = .added
        case 5: self = .unused
        case 6: self = .byte
        default: self = .normal
        }
    }
}
