import Foundation

extension Tokenizer {
    /// The tokenizer of a Hugging Face directory: `tokenizer.json`, or `tokenizer.model` where there is none;
    /// `tokenizer_config.json`, and `chat_template.jinja` if there is one (it goes before the template of
    /// `tokenizer_config.json`).
    /// - Throws: for a missing file, broken JSON, and whatever of `tokenizer.json` would make its ids differ from
    ///   this tokenizer's: each error names the file and the part.
    public convenience init(directory: String) throws(TokenizationError) {
        let path = Self.path("tokenizer.json", directory)
        let modelPath = Self.path("tokenizer.model", directory)
        let files = FileManager.default
        let isSentencePiece = !files.fileExists(atPath: path) && files.fileExists(atPath: modelPath)
        let file = isSentencePiece ? nil : try SourceFile(path: path).decode(TokenizerFile.self)
        let configurationPath = Self.path("tokenizer_config.json", directory)
        let configuration = try SourceFile(path: configurationPath).decode(TokenizerConfiguration.self)
        let template = Self.path("chat_template.jinja", directory)
        let templateSource =
            files.fileExists(atPath: template)
            ? String(decoding: try SourceFile(path: template).data, as: UTF8.self)
            : configuration.chatTemplate?.source
        if let file {
            try self.init(
                file, path: path, configuration: configuration, configurationPath: configurationPath,
                templateSource: templateSource)
        } else {
            try self.init(
                try SentencePieceFile(try SourceFile(path: modelPath)), configuration: configuration,
                configurationPath: configurationPath, templateSource: templateSource)
        }
    }

    private convenience init(
        _ file: TokenizerFile, path: String, configuration: TokenizerConfiguration, configurationPath: String,
        templateSource: String?
    ) throws(TokenizationError) {
        let model = file.model
        let added = file.addedTokens ?? []
        let isSentencePiece = model.byteFallback == true
        try file.checkSupported(path)
        let addedIDs = Dictionary(
            added.map { (TokenTable.Key($0.content), $0.id) }, uniquingKeysWith: { first, _ in first })
        func id(_ text: String?, _ key: String, _ file: String) throws(TokenizationError) -> Int32? {
            guard let text else { return nil }
            if let id = addedIDs[TokenTable.Key(text)] ?? model.vocab.id(of: text) { return id }
            throw TokenizationError(
                file: file, found: "\(key) is \"\(text)\", which is not in the vocabulary", expected: "a known token",
                hint: "the files belong to different models")
        }
        let vocabulary = try Self.vocabulary(model, added, path)
        let merges = try Self.merges(model, path)
        let unknown = try id(model.unkToken, "model.unk_token", path)
        // Like `tokenizers`: tokens that skip the normalizer are found first, then the others in what is left.
        func tokens(normalized: Bool) -> [TokenizerFile.AddedToken] {
            added.filter { ($0.normalized ?? false) == normalized }
        }
        let first = Step.split(AddedTokens(tokens(normalized: false).map { AddedTokens.Entry($0) }))
        let textModel: Model
        let steps: [Step]
        if isSentencePiece {
            textModel = .sentencePiece(try SentencePieceEncoder(vocabulary: vocabulary, pairs: merges, file: path))
            let (prefix, normalizes) = try file.spacePrefix(path)
            let second = tokens(normalized: true).map { token in
                normalizes ? AddedTokens.Entry(token, prefix: prefix) : AddedTokens.Entry(token)
            }
            steps =
                normalizes
                ? [first, .prefix(prefix), .split(AddedTokens(second))]
                : [first, .split(AddedTokens(second)), .prefix(prefix)]
        } else {
            let encoder = try BytePairEncoder(
                vocabulary: vocabulary, merges: merges, unknownToken: unknown, fusesUnknown: model.fuseUnk ?? false,
                ignoresMerges: model.ignoreMerges ?? false, file: path)
            textModel = .byteLevel(encoder, try PreTokenizer(file.preTokenizer, path))
            let composes = file.normalizer?.flattened.isEmpty == false
            steps =
                [first] + (composes ? [.compose] : [])
                + [.split(AddedTokens(tokens(normalized: true).map { AddedTokens.Entry($0, composed: composes) }))]
        }
        let prefix = try id(try Self.prefixToken(file.postProcessor, path), "post_processor's token", path)
        let bos = try id(configuration.bosToken?.content, "bos_token", configurationPath)
        self.init(
            model: textModel, steps: steps, stripsSpace: isSentencePiece && file.decoderStripsSpace,
            bosToken: prefix ?? bos,
            eosToken: try id(configuration.eosToken?.content, "eos_token", configurationPath),
            addsBOS: prefix != nil, chatTemplateSource: templateSource)
    }

    private static func path(_ name: String, _ directory: String) -> String {
        "\(directory)/\(name)"
    }

    private static func merges(
        _ model: TokenizerFile.Model, _ path: String
    ) throws(TokenizationError) -> [(Substring, Substring)] {
        var merges: [(Substring, Substring)] = []
        switch model.merges {
        case .joined(let lines):
            merges.reserveCapacity(lines.count)
            for (index, line) in lines.enumerated() { merges.append(try splitMerge(line, index, file: path)) }
        case .pairs(let pairs):
            merges.reserveCapacity(pairs.count)
            for (index, pair) in pairs.enumerated() {
                guard pair.count == 2, !pair[0].isEmpty, !pair[1].isEmpty else {
                    throw TokenizationError(
                        file: path, found: "model.merges[\(index)] is \(pair)", expected: "two tokens",
                        hint: "the file is damaged; fetch it again")
                }
                merges.append((pair[0][...], pair[1][...]))
            }
        }
        return merges
    }

    private static func vocabulary(
        _ model: TokenizerFile.Model, _ added: [TokenizerFile.AddedToken], _ path: String
    ) throws(TokenizationError) -> Vocabulary {
        let extra = added.reduce(into: 0) { if model.vocab.id(of: $1.content) == nil { $0 += 1 } }
        let count = model.vocab.count + extra
        var tokens = [(text: String, kind: Vocabulary.Kind)](repeating: ("", .normal), count: count)
        func place(_ text: String, _ id: Int32, _ kind: Vocabulary.Kind) throws(TokenizationError) {
            let there: String? = id >= 0 && id < count ? tokens[Int(id)].text : nil
            guard let there, there.isEmpty || there.utf8.elementsEqual(text.utf8), !text.isEmpty else {
                throw TokenizationError(
                    file: path, found: "token \"\(text)\" has id \(id), taken or outside 0 ..< \(count)",
                    expected: "\(count) tokens with the ids 0 ..< \(count)",
                    hint: "the vocabulary has holes or repeats; fetch the file again")
            }
            tokens[Int(id)] = (text, kind)
        }
        let isSentencePiece = model.byteFallback == true
        for (text, id) in model.vocab {
            try place(text, id, isSentencePiece && SpaceMark.byte(of: text) != nil ? .byte : .normal)
        }
        for token in added { try place(token.content, token.id, token.special == true ? .special : .added) }
        return try Vocabulary(tokens, spelling: isSentencePiece ? .sentencePiece : .byteAlphabet, file: path)
    }

    /// The token that the post-processor puts before a text.
    private static func prefixToken(_ step: TokenizerFile.Step?, _ path: String) throws(TokenizationError) -> String? {
        var prefix: String?
        for step in step?.flattened ?? [] {
            switch step.type {
            // Only moves offsets.
            case "ByteLevel": continue
            case "TemplateProcessing":
                let parts = step.single ?? []
                if parts.count == 1, parts[0].sequence != nil { continue }
                if parts.count == 2, prefix == nil, parts[1].sequence != nil, let first = parts[0].specialToken?.id {
                    prefix = first
                    continue
                }
                fallthrough
            default:
                throw TokenizationError(
                    file: path, found: "post_processor \(step.type) adds something else than one token before a text",
                    expected: "ByteLevel, or TemplateProcessing with one token before the text",
                    hint: "this tokenizer is not supported; use another model")
            }
        }
        return prefix
    }
}

extension AddedTokens.Entry {
    /// `composed`: the token's own text goes through NFC first.
    /// `prefix`: the token's own text goes through SentencePiece's normalizer first.
    fileprivate init(
        _ token: TokenizerFile.AddedToken, composed: Bool = false, prefix: Tokenizer.SpacePrefix? = nil
    ) {
        var bytes = Array(token.content.utf8)
        if composed { bytes = Tokenizer.composed(bytes, 0..<bytes.count) }
        if let prefix { bytes = prefix.applied(to: bytes, 0..<bytes.count, after: .start) }
        self.init(
            id: token.id, bytes: bytes, isSpecial: token.special ?? false, takesSpaceBefore: token.lstrip ?? false,
            takesSpaceAfter: token.rstrip ?? false)
    }
}
