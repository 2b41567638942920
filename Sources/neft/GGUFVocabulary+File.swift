import Checkpoints
import Tokenization

extension GGUFVocabulary {
    /// The tokenizer's part of a file's metadata.
    init(_ file: GGUFFile) throws(CheckpointError) {
        func value<T>(_ key: String, _ expected: String, _ convert: (GGUFValue) -> T?) throws(CheckpointError) -> T? {
            guard let value = file.metadata[key] else { return nil }
            if let converted = convert(value) { return converted }
            throw CheckpointError(
                file: file.path, item: key, found: "a value of another kind", expected: expected,
                hint: "the file is damaged; fetch it again")
        }
        func required<T>(_ key: String, _ expected: String, _ convert: (GGUFValue) -> T?) throws(CheckpointError) -> T {
            if let value = try value(key, expected, convert) { return value }
            throw CheckpointError(
                file: file.path, item: key, found: "missing", expected: expected,
                hint: "the file has no tokenizer; fetch it again or convert it with its tokenizer")
        }
        func texts(_ value: GGUFValue) -> [String]? {
            guard let elements = value.elements else { return nil }
            let texts = elements.compactMap(\.text)
            return texts.count == elements.count ? texts : nil
        }
        func integers(_ value: GGUFValue) -> [Int32]? {
            guard let elements = value.elements else { return nil }
            let integers = elements.compactMap { $0.integer.flatMap { Int32(exactly: $0) } }
            return integers.count == elements.count ? integers : nil
        }
        func id(_ key: String) throws(CheckpointError) -> Int32? {
            try value("tokenizer.ggml.\(key)_token_id", "a token id") { $0.integer.flatMap { Int32(exactly: $0) } }
        }
        self.init(
            model: try required("tokenizer.ggml.model", "a tokenizer's name", \.text),
            pre: try value("tokenizer.ggml.pre", "a name", \.text),
            tokens: try required("tokenizer.ggml.tokens", "a list of texts", texts),
            tokenTypes: try value("tokenizer.ggml.token_type", "a list of numbers", integers),
            merges: try value("tokenizer.ggml.merges", "a list of texts", texts) ?? [],
            bosToken: try id("bos"), eosToken: try id("eos"), unknownToken: try id("unknown"),
            addBOS: try value("tokenizer.ggml.add_bos_token", "true or false", \.flag) ?? false,
            chatTemplate: try value("tokenizer.chat_template", "a text", \.text))
    }
}
