/// The `tokenizer.*` metadata of a GGUF file, as its reader hands it over.
public struct GGUFVocabulary: Sendable {
    /// `tokenizer.ggml.model`: `gpt2` is byte-level BPE, `llama` SentencePiece's.
    public let model: String
    /// `tokenizer.ggml.pre`: the name of the pre-tokenizer's split.
    public let pre: String?
    /// `tokenizer.ggml.tokens`: the text of each token, index = id.
    public let tokens: [String]
    /// `tokenizer.ggml.token_type`, one per token: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte.
    public let tokenTypes: [Int32]?
    /// `tokenizer.ggml.scores`, one per token; SentencePiece merges by them.
    public let scores: [Float]?
    /// `tokenizer.ggml.merges`: `"left right"`, most important first.
    public let merges: [String]
    /// `tokenizer.ggml.bos_token_id`: begins a text.
    public let bosToken: Int32?
    /// `tokenizer.ggml.eos_token_id`: ends a text.
    public let eosToken: Int32?
    /// `tokenizer.ggml.unknown_token_id`: stands for what has no token.
    public let unknownToken: Int32?
    /// `tokenizer.ggml.padding_token_id`: fills rows up.
    public let paddingToken: Int32?
    /// `tokenizer.ggml.add_bos_token`; nil where the file leaves it to the kind of tokenizer.
    public let addBOS: Bool?
    /// `tokenizer.ggml.add_space_prefix`.
    public let addSpacePrefix: Bool
    /// `tokenizer.chat_template`, Jinja source.
    public let chatTemplate: String?

    /// The metadata of a file, as it is; `Tokenizer` checks it.
    public init(
        model: String, pre: String?, tokens: [String], tokenTypes: [Int32]?, scores: [Float]? = nil, merges: [String],
        bosToken: Int32?, eosToken: Int32?, unknownToken: Int32?, paddingToken: Int32? = nil, addBOS: Bool?,
        addSpacePrefix: Bool = true, chatTemplate: String?
    ) {
        self.model = model
        self.pre = pre
        self.tokens = tokens
        self.tokenTypes = tokenTypes
        self.scores = scores
        self.merges = merges
        self.bosToken = bosToken
        self.eosToken = eosToken
        self.unknownToken = unknownToken
        self.paddingToken = paddingToken
        self.addBOS = addBOS
        self.addSpacePrefix = addSpacePrefix
        self.chatTemplate = chatTemplate
    }
}
