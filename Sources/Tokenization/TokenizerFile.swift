import Foundation

/// What `tokenizer.json` holds, as far as BPE over bytes or characters needs it.
struct TokenizerFile: Decodable {
    struct AddedToken: Decodable {
        let id: Int32
        let content: String
        let singleWord: Bool?
        let lstrip: Bool?
        let rstrip: Bool?
        let normalized: Bool?
        let special: Bool?

        enum CodingKeys: String, CodingKey {
            case id, content, lstrip, rstrip, normalized, special
            case singleWord = "single_word"
        }
    }

    struct Model: Decodable {
        let type: String?
        let vocab: TokenTable
        let merges: Merges
        let dropout: Double?
        let unkToken: String?
        let fuseUnk: Bool?
        let continuingSubwordPrefix: String?
        let endOfWordSuffix: String?
        let byteFallback: Bool?
        let ignoreMerges: Bool?

        enum CodingKeys: String, CodingKey {
            case type, vocab, merges, dropout
            case unkToken = "unk_token"
            case fuseUnk = "fuse_unk"
            case continuingSubwordPrefix = "continuing_subword_prefix"
            case endOfWordSuffix = "end_of_word_suffix"
            case byteFallback = "byte_fallback"
            case ignoreMerges = "ignore_merges"
        }
    }

    /// `["a b", …]`, or `[["a", "b"], …]` as newer files write it.
    enum Merges: Decodable {
        case joined([String])
        case pairs([[String]])

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let joined = try? container.decode([String].self) {
                self = .joined(joined)
            } else {
                self = .pairs(try container.decode([[String]].self))
            }
        }
    }

    /// One step of a pipeline (normalizer, pre-tokenizer, post-processor, decoder), whatever its type.
    struct Step: Decodable {
        struct Pattern: Decodable {
            let regex: String?
            let string: String?
            enum CodingKeys: String, CodingKey {
                case regex = "Regex"
                case string = "String"
            }
        }

        /// A part of a `TemplateProcessing`: a special token, or the text (`Sequence`).
        struct TemplatePart: Decodable {
            struct Reference: Decodable { let id: String }
            let specialToken: Reference?
            let sequence: Reference?
            enum CodingKeys: String, CodingKey {
                case specialToken = "SpecialToken"
                case sequence = "Sequence"
            }
        }

        let type: String
        let addPrefixSpace: Bool?
        let useRegex: Bool?
        let individualDigits: Bool?
        let pattern: Pattern?
        let behavior: String?
        let invert: Bool?
        let single: [TemplatePart]?
        /// Of `Prepend`.
        let prepend: String?
        /// Of `Replace`.
        let content: String?
        /// Of `Metaspace`.
        let replacement: String?
        let prependScheme: String?
        let split: Bool?
        private let normalizers: [Step]?
        private let pretokenizers: [Step]?
        private let processors: [Step]?
        private let decoders: [Step]?

        enum CodingKeys: String, CodingKey {
            case type, pattern, behavior, invert, single, normalizers, pretokenizers, processors, decoders
            case prepend, content, replacement, split
            case prependScheme = "prepend_scheme"
            case addPrefixSpace = "add_prefix_space"
            case useRegex = "use_regex"
            case individualDigits = "individual_digits"
        }

        /// The steps in order: those of a (nested) `Sequence`, or this one alone.
        var flattened: [Step] {
            guard type == "Sequence" else { return [self] }
            return (normalizers ?? pretokenizers ?? processors ?? decoders ?? []).flatMap(\.flattened)
        }
    }

    let addedTokens: [AddedToken]?
    let normalizer: Step?
    let preTokenizer: Step?
    let postProcessor: Step?
    let decoder: Step?
    let model: Model

    enum CodingKeys: String, CodingKey {
        case normalizer, decoder, model
        case addedTokens = "added_tokens"
        case preTokenizer = "pre_tokenizer"
        case postProcessor = "post_processor"
    }
}

/// `tokenizer_config.json`: which tokens begin and end a text, and the chat template.
struct TokenizerConfiguration: Decodable {
    /// `"<s>"` or `{"content": "<s>", …}`.
    struct Token: Decodable {
        let content: String

        init(from decoder: any Decoder) throws {
            if let content = try? decoder.singleValueContainer().decode(String.self) {
                self.content = content
            } else {
                content = try decoder.container(keyedBy: CodingKeys.self).decode(String.self, forKey: .content)
            }
        }

        enum CodingKeys: CodingKey { case content }
    }

    /// One template, or several by name, of which `default` counts.
    enum Template: Decodable {
        case one(String)
        case named([Named])

        struct Named: Decodable {
            let name: String
            let template: String
        }

        init(from decoder: any Decoder) throws {
            let container = try decoder.singleValueContainer()
            if let template = try? container.decode(String.self) {
                self = .one(template)
            } else {
                self = .named(try container.decode([Named].self))
            }
        }

        var source: String? {
            switch self {
            case .one(let source): source
            case .named(let all): all.first { $0.name == "default" }?.template
            }
        }
    }

    /// Of `added_tokens_decoder`, by id.
    struct AddedToken: Decodable {
        let content: String
        let lstrip: Bool?
        let rstrip: Bool?
        let special: Bool?
    }

    let bosToken: Token?
    let eosToken: Token?
    let unknownToken: Token?
    let paddingToken: Token?
    let chatTemplate: Template?
    let addBOS: Bool?
    /// The older way of SentencePiece tokenizers: a space after each special token.
    let legacy: Bool?
    let addedTokens: [String: AddedToken]?

    enum CodingKeys: String, CodingKey {
        case legacy
        case addBOS = "add_bos_token"
        case addedTokens = "added_tokens_decoder"
        case bosToken = "bos_token"
        case eosToken = "eos_token"
        case unknownToken = "unk_token"
        case paddingToken = "pad_token"
        case chatTemplate = "chat_template"
    }
}
