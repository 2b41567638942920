/// BPE over bytes, as GPT-2 has it, or over characters, as SentencePiece has it: text to token ids and back.
///
/// Ids are those of llama.cpp for a GGUF file, of the `tokenizers` library for a `tokenizer.json` and of `sentencepiece`
/// for a `tokenizer.model`, with one table of character classes (`UnicodeClasses`) for all. In byte-level BPE a byte that has no token is dropped before merging, as in
/// `tokenizers` (llama.cpp drops it afterwards, so that its neighbours do not merge). No method has state: a tokenizer
/// may be used from many threads at once, and the same text always gives the same ids.
public final class Tokenizer: Sendable {
    /// Ids are 0 ..< vocabularySize. The model's embedding may have more rows (padding), never fewer.
    public let vocabularySize: Int
    /// Begins a text; nil where the vocabulary has no such token.
    public let bosToken: Int32?
    /// Ends a text; nil where the vocabulary has no such token.
    public let eosToken: Int32?
    /// The model wants `bosToken` before the first token of a text. `encode` leaves that to its caller.
    public let addsBOS: Bool
    /// The Jinja source of the model's chat template, for `ChatTemplate.detect`.
    public let chatTemplateSource: String?

    private let model: Model
    private let steps: [Step]
    /// `decode` leaves a space at the start out.
    private let stripsSpace: Bool

    init(
        model: Model, steps: [Step], stripsSpace: Bool = false, bosToken: Int32?, eosToken: Int32?, addsBOS: Bool,
        chatTemplateSource: String?
    ) {
        vocabularySize = model.vocabulary.count
        self.model = model
        self.steps = steps
        self.stripsSpace = stripsSpace
        self.bosToken = bosToken
        self.eosToken = eosToken
        self.addsBOS = addsBOS
        self.chatTemplateSource = chatTemplateSource
    }

    /// The ids of `text`, without BOS or EOS. Any string is allowed; the empty one gives none.
    /// - Parameters:
    ///   - text: any string.
    ///   - parseSpecial: whether special tokens written in the text (`<|im_end|>`) become those tokens. If not, they are
    ///     ordinary text; user-defined tokens are found either way.
    ///   - previous: the token that this text goes on from, for a text that is tokenised piece by piece; nil where it
    ///     begins (after BOS, too). SentencePiece puts a space before a text's first word.
    public func encode(_ text: String, parseSpecial: Bool = true, following previous: Int32? = nil) -> [Int32] {
        let bytes = Array(text.utf8)
        var state = EncodingState()
        state.scratch.output.reserveCapacity(bytes.count / 3 + 1)
        if let previous { state.neighbour = isAdded(previous) ? .addedToken : .text }
        encode(bytes, 0..<bytes.count, parseSpecial, steps[...], &state)
        return state.scratch.output
    }

    /// Whether a space goes before a text's first word, as SentencePiece has it.
    var putsSpaceInFront: Bool {
        steps.contains { if case .prefix(let prefix) = $0 { prefix.place != .nowhere } else { false } }
    }

    private struct EncodingState {
        var scratch = MergeScratch()
        var neighbour = Neighbour.start
    }

    private func isAdded(_ id: Int32) -> Bool {
        guard id >= 0, id < vocabularySize else { return false }
        let kind = model.vocabulary.kinds[Int(id)]
        return kind == .special || kind == .added
    }

    private func encode(
        _ text: [UInt8], _ range: Range<Int>, _ parseSpecial: Bool, _ steps: ArraySlice<Step>,
        _ state: inout EncodingState
    ) {
        guard !range.isEmpty else { return }
        let rest = steps.dropFirst()
        switch steps.first {
        case nil:
            model.encode(text, range, &state.scratch)
            state.neighbour = .text
        case .compose:
            let composed = Self.composed(text, range)
            encode(composed, 0..<composed.count, parseSpecial, rest, &state)
        case .prefix(let prefix):
            let prefixed = prefix.applied(to: text, range, after: state.neighbour)
            encode(prefixed, 0..<prefixed.count, parseSpecial, rest, &state)
        case .split(let added):
            added.forEachPart(of: text, range, includingSpecial: parseSpecial) { part, id in
                if let id {
                    state.scratch.output.append(id)
                    state.neighbour = .addedToken
                } else {
                    encode(text, part, parseSpecial, rest, &state)
                }
            }
        }
    }

    /// The text of `ids`. Bytes that are no UTF-8 become U+FFFD, one for each maximal broken sequence; ids outside
    /// the vocabulary give nothing.
    /// - Parameters:
    ///   - ids: in the order of the text.
    ///   - skipSpecial: leaves special tokens out.
    ///   - isStart: whether the ids begin a text, or an answer: then the space that SentencePiece put before its first
    ///     word is left out.
    public func decode(_ ids: [Int32], skipSpecial: Bool = true, isStart: Bool = true) -> String {
        let vocabulary = model.vocabulary
        var bytes: [UInt8] = []
        bytes.reserveCapacity(4 * ids.count)
        for id in ids where id >= 0 && id < vocabularySize {
            switch vocabulary.kinds[Int(id)] {
            case .normal, .added, .byte: bytes += vocabulary.bytes(of: id)
            case .special: if !skipSpecial { bytes += vocabulary.bytes(of: id) }
            case .unused: break
            }
        }
        if isStart, stripsSpace, bytes.first == PreTokenizer.space { bytes.removeFirst() }
        return String(decoding: bytes, as: UTF8.self)
    }

    /// The one token that stands for exactly `text`: an added token of that text (`<|im_end|>`), else the token of
    /// its bytes (` hello`).
    public func tokenID(_ text: String) -> Int32? {
        let bytes = Array(text.utf8)
        for case .split(let added) in steps {
            if let id = added.id(of: bytes) { return id }
        }
        return model.vocabulary.id(of: bytes, 0..<bytes.count)
    }

    /// How the model's texts begin and end, for templates that write it; empty where there is no such token.
    public var marks: TextMarks {
        func text(_ id: Int32?) -> String {
            id.map { String(decoding: model.vocabulary.bytes(of: $0), as: UTF8.self) } ?? ""
        }
        return TextMarks(begin: text(bosToken), end: text(eosToken))
    }

    /// The token's text to read: its own characters, or `<E3><81>` for bytes that are no complete UTF-8, or
    /// `[123]` for an id outside the vocabulary.
    public func tokenText(_ id: Int32) -> String {
        guard id >= 0, id < vocabularySize else { return "[\(id)]" }
        let bytes = model.vocabulary.bytes(of: id)
        if let text = String(validating: bytes, as: UTF8.self) { return text }
        return bytes.map { "<" + (String($0 >> 4, radix: 16) + String($0 & 15, radix: 16)).uppercased() + ">" }.joined()
    }
}
