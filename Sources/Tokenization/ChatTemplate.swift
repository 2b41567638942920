/// How a conversation is written as text.
///
/// A further template is one more case here, with its segments and its known sources.
public enum ChatTemplate: Sendable, Equatable {
    /// `<|im_start|>role\ncontent<|im_end|>\n` for each turn. A conversation that does not begin with a system turn
    /// gets one with `defaultSystem`, where the model's template has such a text.
    case chatml(defaultSystem: String?)
    /// The contents of the turns, one after the other.
    case none

    /// Values of `--chat-template`.
    public static let names = ["chatml", "none"]

    /// The template called `name`.
    /// - Parameters:
    ///   - name: one of `names`.
    ///   - source: the model's own Jinja source, from which `chatml` takes the default system turn if it has one.
    public init(named name: String, source: String? = nil) throws(TokenizationError) {
        switch name {
        case "chatml": self = .chatml(defaultSystem: source.flatMap(ChatML.defaultSystem(in:)))
        case "none": self = .none
        default:
            throw TokenizationError(
                file: "--chat-template", found: "unknown template \"\(name)\"",
                expected: Self.names.joined(separator: " or "), hint: "choose one of these")
        }
    }

    /// The template whose Jinja source is `source`; `.none` where there is no source.
    /// - Parameter file: where the source is from, for errors.
    /// - Throws: for a source that is not exactly a known template: guessing would train on a wrong text.
    public static func detect(source: String?, file: String) throws(TokenizationError) -> ChatTemplate {
        guard let source else { return .none }
        if let template = ChatML.recognise(source) { return template }
        throw TokenizationError(
            file: file, found: "unknown chat template \"\(source.prefix(60))…\"", expected: "a known one (chatml)",
            hint: "choose one with --chat-template \(names.joined(separator: "|"))")
    }

    /// The token that ends a turn; nil where the model's end-of-text token does.
    public var endToken: String? {
        switch self {
        case .chatml: ChatML.endToken
        case .none: nil
        }
    }

    /// The text of the turns, as the model's own template gives it.
    /// - Parameter addGenerationPrompt: ends with the beginning of an assistant turn, for the model to go on.
    public func render(_ messages: [ChatMessage], addGenerationPrompt: Bool) -> String {
        var text = segments(messages).map(\.text).joined()
        if addGenerationPrompt, case .chatml = self { text += ChatML.header("assistant") }
        return text
    }

    /// The text of the turns, cut where the loss begins and ends. Pieces are tokenised separately.
    ///
    /// Each assistant turn is one target piece, in order: its content (which may be empty) and the end token. All text
    /// between two of them is one context piece. What the template writes after the last target (a newline in ChatML)
    /// is left out.
    public func trainingPieces(_ messages: [ChatMessage]) -> [(text: String, isTarget: Bool)] {
        var segments = segments(messages)
        if messages.last?.isTarget == true, segments.last?.isTarget == false { segments.removeLast() }
        var pieces: [(text: String, isTarget: Bool)] = []
        for segment in segments where segment.isTarget || !segment.text.isEmpty {
            if let last = pieces.last, !last.isTarget, !segment.isTarget {
                pieces[pieces.count - 1].text += segment.text
            } else {
                pieces.append(segment)
            }
        }
        return pieces
    }

    private func segments(_ messages: [ChatMessage]) -> [(text: String, isTarget: Bool)] {
        switch self {
        case .chatml(let defaultSystem): ChatML.segments(messages, defaultSystem: defaultSystem)
        case .none: messages.map { ($0.content, $0.isTarget) }
        }
    }
}
