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
        func required<T>(_ key: String, _ value: T?, _ expected: String) throws(TokenizationError) -> T {
            guard let value else {
                throw TokenizationError(
                    file: file.path, found: "\(key) is \(values[key] == nil ? "missing" : "of another kind")",
                    expected: expected, hint: "use a GGUF file that carries its tokenizer")
            }
            return value
        }
        func strings(_ key: String) -> [String]? {
            values[key]?.elements.flatMap { list in
                let texts = list.compactMap(\.text)
                return texts.count == list.count ? texts : nil
            }
        }
        func token(_ key: String) -> Int32? { values[key]?.integer.flatMap { Int32(exactly: $0) } }
        let model = try required(
            "tokenizer.ggml.model", values["tokenizer.ggml.model"]?.text, "the tokenizer's kind")
        self.init(
            model: model, pre: values["tokenizer.ggml.pre"]?.text,
            tokens: try required("tokenizer.ggml.tokens", strings("tokenizer.ggml.tokens"), "a list of strings"),
            tokenTypes: values["tokenizer.ggml.token_type"]?.elements?.compactMap {
                $0.integer.flatMap { Int32(exactly: $0) }
            },
            scores: values["tokenizer.ggml.scores"]?.elements?.compactMap { $0.number.map { Float($0) } },
            // Tokenizers without merges are refused by their kind, with a better message.
            merges: strings("tokenizer.ggml.merges") ?? [], bosToken: token("tokenizer.ggml.bos_token_id"),
            eosToken: token("tokenizer.ggml.eos_token_id"), unknownToken: token("tokenizer.ggml.unknown_token_id"),
            paddingToken: token("tokenizer.ggml.padding_token_id"),
            addBOS: values["tokenizer.ggml.add_bos_token"]?.flag,
            addSpacePrefix: values["tokenizer.ggml.add_space_prefix"]?.flag ?? true,
            chatTemplate: values["tokenizer.chat_template"]?.text)
    }
}
