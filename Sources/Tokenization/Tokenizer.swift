/// Byte-level BPE: text to token ids and back.
///
/// Ids are those of llama.cpp for a GGUF file and of the `tokenizers` library for a `tokenizer.json`, with one table
/// of character classes (`UnicodeClasses`) for both. A byte that has no token is dropped before merging, as in
/// `tokenizers` (llama.cpp drops it afterwards, so that its neighbours do not merge). No method has state: a tokenizer
/// may be used from many threads at once, and the same text always gives the same ids.
public final class Tokenizer: Sendable {
    /// Ids are 0 ..< vocabularySize. The model's embedding may have more rows (padding), never fewer.
    public let vocabularySize: Int
    public let bosToken: Int32?
    public let eosToken: Int32?
    /// The model wants `bosToken` before the first token of a text. `encode` leaves that to its caller.
    public let addsBOS: Bool
    /// The Jinja source of the model's chat template, for `ChatTemplate.detect`.
    public let chatTemplateSource: String?

    private let encoder: BytePairEncoder
    private let preTokenizer: PreTokenizer
    /// Applied one after the other, each to what the one before left as ordinary text.
    private let addedTokens: [AddedTokens]

    init(
        encoder: BytePairEncoder, preTokenizer: PreTokenizer, addedTokens: [AddedTokens], bosToken: Int32?,
        eosToken: Int32?, addsBOS: Bool, chatTemplateSource: String?
    ) {
        vocabularySize = encoder.vocabulary.count
        self.encoder = encoder
        self.preTokenizer = preTokenizer
        self.addedTokens = addedTokens
        self.bosToken = bosToken
        self.eosToken = eosToken
        self.addsBOS = addsBOS
        self.chatTemplateSource = chatTemplateSource
    }

    /// The ids of `text`, without BOS or EOS. Any string is allowed; the empty one gives none.
    /// - Parameter parseSpecial: whether special tokens written in the text (`<|im_end|>`) become those tokens. If
    ///   not, they are ordinary text; user-defined tokens are found either way.
    public func encode(_ text: String, parseSpecial: Bool = true) -> [Int32] {
        let bytes = Array(text.utf8)
        var scratch = BytePairEncoder.Scratch()
        scratch.output.reserveCapacity(bytes.count / 3 + 1)
        encode(bytes, 0..<bytes.count, parseSpecial, addedTokens[...], &scratch)
        return scratch.output
    }

    private func encode(
        _ text: [UInt8], _ range: Range<Int>, _ parseSpecial: Bool, _ added: ArraySlice<AddedTokens>,
        _ scratch: inout BytePairEncoder.Scratch
    ) {
        guard let first = added.first else {
            preTokenizer.forEachPiece(in: text, range) { encoder.encode($0, $1, &scratch) }
            return
        }
        first.forEachPart(of: text, range, includingSpecial: parseSpecial) { part, id in
            if let id {
                scratch.output.append(id)
            } else {
                encode(text, part, parseSpecial, added.dropFirst(), &scratch)
            }
        }
    }

    /// The text of `ids`. Bytes that are no UTF-8 become U+FFFD, one for each maximal broken sequence; ids outside
    /// the vocabulary give nothing.
    /// - Parameter skipSpecial: leaves special tokens out.
    public func decode(_ ids: [Int32], skipSpecial: Bool = true) -> String {
        let vocabulary = encoder.vocabulary
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 * ids.count)
        for id in ids where id >= 0 && id < vocabularySize {
            switch vocabulary.kinds[Int(id)] {
            case .normal, .added: bytes += vocabulary.bytes(of: id)
            case .special: if !skipSpecial { bytes += vocabulary.bytes(of: id) }
            case .unused: break
            }
        }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The one token that stands for exactly `text`: an added token of that text (`<|im_end|>`), else the token of
    /// its bytes (` hello`).
    public func tokenID(_ text: String) -> Int32? {
        let bytes = Array(text.utf8)
        for added in addedTokens {
            if let id = added.id(of: bytes) { return id }
        }
        return encoder.vocabulary.id(of: bytes, 0..<bytes.count)
    }

    /// The token's text to read: its own characters, or `<E3><81>` for bytes that are no complete UTF-8, or
    /// `[123]` for an id outside the vocabulary.
    public func tokenText(_ id: Int32) -> String {
        guard id >= 0, id < vocabularySize else { return "[\(id)]" }
        let bytes = encoder.vocabulary.bytes(of: id)
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        return bytes.map { "<" + (String($0 >> 4, radix: 16) + String($0 & 15, radix: 16)).uppercased() + ">" }.joined()
    }
}
