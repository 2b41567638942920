import Foundation

extension Tokenizer {
    /// The tokenizer of a Hugging Face directory: `tokenizer.json`, `tokenizer_config.json`, and
    /// `chat_template.jinja` if there is one (it goes before the template of `tokenizer_config.json`).
    /// - Throws: for a missing file, broken JSON, and whatever of `tokenizer.json` would make its ids differ from
    ///   this tokenizer's: each error names the file and the part.
    public convenience init(directory: String) throws(TokenizationError) {
        let path = Self.path("tokenizer.json", directory)
        let file = try SourceFile(path: path).decode(TokenizerFile.self)
        let configurationPath = Self.path("tokenizer_config.json", directory)
        let configuration = try SourceFile(path: configurationPath).decode(TokenizerConfiguration.self)
        let template = Self.path("chat_template.jinja", directory)
        let templateSource =
            FileManager.default.fileExists(atPath: template)
            ? String(decoding: try SourceFile(path: template).data, as: UTF8.self)
            : configuration.chatTemplate?.source

        let model = file.model
        let added = file.addedTokens ?? []
        try Self.checkSupported(file, path)
        let ids = Dictionary(added.map { ($0.content, $0.id) }, uniquingKeysWith: { first, _ in first })
            .merging(model.vocab) { first, _ in first }
        func id(_ text: String?, _ key: String, _ file: String) throws(TokenizationError) -> Int32? {
            guard let text else { return nil }
            if let id = ids[text] { return id }
            throw TokenizationError(
                file: file, found: "\(key) is \"\(text)\", which is not in the vocabulary", expected: "a known token",
                hint: "the files belong to different models")
        }
        let encoder = try BytePairEncoder(
            vocabulary: try Self.vocabulary(model, added, path), merges: try Self.merges(model, path),
            unknownToken: try id(model.unkToken, "model.unk_token", path), fusesUnknown: model.fuseUnk ?? false,
            ignoresMerges: model.ignoreMerges ?? false, file: path)

        let prefix = try id(try Self.prefixToken(file.postProcessor, path), "post_processor's token", path)
        let bos = try id(configuration.bosToken?.content, "bos_token", configurationPath)
        // Like `tokenizers`: tokens that skip the normalizer are found first, then the others in what is left.
        let stages = [false, true].map { normalized in
            AddedTokens(added.filter { ($0.normalized ?? false) == normalized }.map(AddedTokens.Entry.init))
        }
        self.init(
            encoder: encoder, preTokenizer: try PreTokenizer(file.preTokenizer, path), addedTokens: stages,
            bosToken: prefix ?? bos,
            eosToken: try id(configuration.eosToken?.content, "eos_token", configurationPath),
            addsBOS: prefix != nil, chatTemplateSource: templateSource)
    }

    private static func path(_ name: String, _ directory: String) -> String {
        URL(fileURLWithPath: directory).appendingPathComponent(name).path
    }

    /// Refuses the parts that change ids and are not implemented.
    private static func checkSupported(_ file: TokenizerFile, _ path: String) throws(TokenizationError) {
        func refuse(_ found: String, _ expected: String) -> TokenizationError {
            TokenizationError(
                file: path, found: found, expected: expected, hint: "use a model with a byte-level BPE tokenizer")
        }
        let model = file.model
        if let type = model.type, type != "BPE" { throw refuse("model.type is \"\(type)\"", "\"BPE\"") }
        if model.byteFallback == true { throw refuse("model.byte_fallback is true", "false") }
        if let dropout = model.dropout, dropout != 0 { throw refuse("model.dropout is \(dropout)", "none") }
        if let text = model.continuingSubwordPrefix, !text.isEmpty {
            throw refuse("model.continuing_subword_prefix is \"\(text)\"", "none")
        }
        if let text = model.endOfWordSuffix, !text.isEmpty {
            throw refuse("model.end_of_word_suffix is \"\(text)\"", "none")
        }
        if let step = file.normalizer?.flattened.first { throw refuse("normalizer is \(step.type)", "none") }
        let decoders = file.decoder?.flattened.map(\.type) ?? []
        if decoders != ["ByteLevel"] {
            throw refuse("decoder is \(decoders.isEmpty ? "missing" : decoders.joined(separator: ", "))", "ByteLevel")
        }
        if let token = file.addedTokens?.first(where: { $0.singleWord == true }) {
            throw refuse("added token \"\(token.content)\" has single_word true", "false")
        }
        if let token = file.addedTokens?.first(where: \.content.isEmpty) {
            throw refuse("added token \(token.id) has no text", "a text")
        }
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
        let extra = added.reduce(into: 0) { if model.vocab[$1.content] == nil { $0 += 1 } }
        let count = model.vocab.count + extra
        var tokens = [(text: String, kind: Vocabulary.Kind)](repeating: ("", .normal), count: count)
        func place(_ text: String, _ id: Int32, _ kind: Vocabulary.Kind) throws(TokenizationError) {
            let free = id >= 0 && id < count && (tokens[Int(id)].text.isEmpty || tokens[Int(id)].text == text)
            guard free, !text.isEmpty else {
                throw TokenizationError(
                    file: path, found: "token \"\(text)\" has id \(id), taken or outside 0 ..< \(count)",
                    expected: "\(count) tokens with the ids 0 ..< \(count)",
                    hint: "the vocabulary has holes or repeats; fetch the file again")
            }
            tokens[Int(id)] = (text, kind)
        }
        for (text, id) in model.vocab { try place(text, id, .normal) }
        for token in added { try place(token.content, token.id, token.special == true ? .special : .added) }
        return try Vocabulary(tokens, file: path)
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
    fileprivate init(_ token: TokenizerFile.AddedToken) {
        self.init(
            id: token.id, bytes: Array(token.content.utf8), isSpecial: token.special ?? false,
            takesSpaceBefore: token.lstrip ?? false, takesSpaceAfter: token.rstrip ?? false)
    }
}
