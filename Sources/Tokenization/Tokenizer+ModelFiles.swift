import Checkpoints

extension Tokenizer {
    /// The tokenizer that comes with a model.
    public static func load(_ files: ModelFiles) throws(TokenizationError) -> Tokenizer {
        switch files {
        case .huggingFace(let directory): try Tokenizer(directory: directory.path)
        case .gguf(let file): try Tokenizer(gguf: GGUFVocabulary(file), file: file.path)
        }
    }
}

extension GGUFVocabulary {
    /// The `tokenizer.*` metadata of a GGUF file.
    public init(_ file: GGUFFile) throws(TokenizationError) {
        let values = file.metadata
        func refuse(_ key: String, _ found: String, _ expected: String) -> TokenizationError {
            TokenizationError(
                file: file.path, found: "\(key) is \(found)", expected: expected,
                hint: "use a GGUF file that carries its tokenizer")
        }
        /// Nil where the file does not say.
        func optional<T>(
            _ key: String, _ expected: String, _ convert: (GGUFValue) -> T?
        ) throws(TokenizationError) -> T? {
            guard let value = values[key] else { return nil }
            guard let converted = convert(value) else { throw refuse(key, "of another kind", expected) }
            return converted
        }
        func list<T>(
            _ key: String, _ expected: String, _ convert: (GGUFValue) -> T?
        ) throws(TokenizationError) -> [T]? {
            try optional(key, expected) { value in
                value.elements.flatMap { elements in
                    let converted = elements.compactMap(convert)
                    return converted.count == elements.count ? converted : nil
                }
            }
        }
        func token(_ name: String) throws(TokenizationError) -> Int32? {
            try optional("tokenizer.ggml.\(name)_token_id", "a token's number") {
                $0.integer.flatMap { Int32(exactly: $0) }
            }
        }
        guard let model = try optional("tokenizer.ggml.model", "the tokenizer's kind", \.text) else {
            throw refuse("tokenizer.ggml.model", "missing", "the tokenizer's kind")
        }
        guard let tokens = try list("tokenizer.ggml.tokens", "a list of strings", \.text) else {
            throw refuse("tokenizer.ggml.tokens", "missing", "a list of strings")
        }
        let merges = try list("tokenizer.ggml.merges", "a list of strings", \.text)
        // Byte-level BPE without them would give one token for each byte.
        if merges == nil, model == "gpt2" { throw refuse("tokenizer.ggml.merges", "missing", "a list of strings") }
        self.init(
            model: model, pre: try optional("tokenizer.ggml.pre", "a name", \.text), tokens: tokens,
            tokenTypes: try list("tokenizer.ggml.token_type", "a list of whole numbers") {
                $0.integer.flatMap { Int32(exactly: $0) }
            },
            scores: try list("tokenizer.ggml.scores", "a list of numbers") { $0.number.map { Float($0) } },
            merges: merges ?? [], bosToken: try token("bos"), eosToken: try token("eos"),
            unknownToken: try token("unknown"), paddingToken: try token("padding"),
            addBOS: try optional("tokenizer.ggml.add_bos_token", "true or false", \.flag),
            addSpacePrefix: try optional("tokenizer.ggml.add_space_prefix", "true or false", \.flag) ?? true,
            chatTemplate: try optional("tokenizer.chat_template", "a text", \.text))
    }
}
