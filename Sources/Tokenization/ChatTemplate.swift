/// How a conversation is written as text.
///
/// A further template is one more case here, with its segments and its known sources in a file of its own.
public enum ChatTemplate: Sendable, Equatable {
    /// `<|im_start|>role\ncontent<|im_end|>\n` for each turn. A conversation that does not begin with a system turn
    /// gets one with `defaultSystem`, where the model's template has such a text. With `toolsAsUser`, turns of tools are
    /// written between `<tool_response>` and `</tool_response>` in a user's turn, as Qwen2.5 has them.
    case chatml(defaultSystem: String?, toolsAsUser: Bool = false)
    /// Llama 2's `[INST] … [/INST]`, with the system turn between `<<SYS>>` inside the first user turn.
    case llama2(TextMarks)
    /// Llama 3's `<|start_header_id|>role<|end_header_id|>`; the contents lose white space around them.
    case llama3(TextMarks)
    /// Mistral's `[INST] … [/INST]`; a system turn goes in front of the first user turn.
    case mistral(TextMarks, MistralSpacing)
    /// `<|role|>\ncontent` and the end of text for each turn.
    case zephyr(TextMarks)
    /// `### Instruction:` and `### Response:`, after a sentence that says so.
    case alpaca(TextMarks)
    /// The contents of the turns, one after the other.
    case none

    /// Values of `--chat-template`.
    public static let names = ["chatml", "llama2", "llama3", "mistral", "zephyr", "alpaca", "none"]

    /// The template called `name`.
    /// - Parameters:
    ///   - name: one of `names`.
    ///   - source: the model's own Jinja source, from which `chatml` takes the default system turn and how tools answer,
    ///     and `mistral` the spaces around answers, if it has them.
    ///   - marks: how the model's tokenizer writes the beginning and the end of a text.
    public init(
        named name: String, source: String? = nil, marks: TextMarks = TextMarks()
    ) throws(TokenizationError) {
        switch name {
        case "chatml":
            self =
                source.flatMap(ChatML.recognise) ?? .chatml(defaultSystem: source.flatMap(ChatML.defaultSystem(in:)))
        case "llama2": self = .llama2(marks)
        case "llama3": self = .llama3(marks)
        case "mistral":
            let own = source.flatMap { InstTemplates.recognise($0, marks: marks) }
            if case .mistral = own { self = own ?? .none } else { self = .mistral(marks, .bare) }
        case "zephyr": self = .zephyr(marks)
        case "alpaca": self = .alpaca(marks)
        case "none": self = .none
        default:
            throw TokenizationError(
                file: "--chat-template", found: "unknown template \"\(name)\"",
                expected: Self.names.joined(separator: ", "), hint: "choose one of these")
        }
    }

    /// The template whose Jinja source is `source`; `.none` where there is no source, or one that joins the contents.
    /// - Parameters:
    ///   - source: Jinja, as the model's files have it.
    ///   - file: where the source is from, for errors.
    ///   - marks: how the model's tokenizer writes the beginning and the end of a text.
    /// - Throws: for a source that is not exactly a known template: guessing would train on a wrong text.
    public static func detect(
        source: String?, file: String, marks: TextMarks = TextMarks()
    ) throws(TokenizationError) -> ChatTemplate {
        guard let source else { return .none }
        let (body, ownMarks) = TemplateSource.parts(of: source, marks)
        // Known ones are much shorter, and comparing takes time.
        let found =
            source.utf8.count > 1 << 16
            ? nil
            : ChatML.recognise(source) ?? InstTemplates.recognise(body, marks: ownMarks)
                ?? HeaderTemplates.recognise(body, marks: ownMarks) ?? AlpacaTemplate.recognise(body, marks: ownMarks)
                ?? TemplateSource.recogniseContents(source)
        if let found { return found }
        throw TokenizationError(
            file: file, found: "unknown chat template \"\(source.prefix(60))…\"",
            expected: "a known one (\(names.dropLast().joined(separator: ", ")))",
            hint: "choose one with --chat-template \(names.joined(separator: "|"))"
                + (TemplateSource.likeness(of: source).map { "; it has the marks of \($0)" } ?? ""))
    }

    /// As `--chat-template` names it.
    public var name: String {
        switch self {
        case .chatml: "chatml"
        case .llama2: "llama2"
        case .llama3: "llama3"
        case .mistral: "mistral"
        case .zephyr: "zephyr"
        case .alpaca: "alpaca"
        case .none: "none"
        }
    }

    /// The token that ends a turn; nil where the model's end-of-text token does without being part of the template.
    public var endToken: String? {
        switch self {
        case .chatml: ChatML.endToken
        case .llama3: HeaderTemplates.endOfTurn
        case .llama2(let marks), .mistral(let marks, _), .zephyr(let marks), .alpaca(let marks): marks.end
        case .none: nil
        }
    }

    /// The text of the turns, as the model's own template gives it.
    /// - Parameters:
    ///   - messages: in their order; `problem(with:)` says which a template refuses.
    ///   - addGenerationPrompt: ends with the beginning of an assistant turn, for the model to go on.
    public func render(_ messages: [ChatMessage], addGenerationPrompt: Bool) -> String {
        segments(messages).map(\.text).joined() + (addGenerationPrompt ? generationPrompt : "")
    }

    private var generationPrompt: String {
        switch self {
        case .chatml: ChatML.header("assistant")
        case .llama3: HeaderTemplates.llama3Header("assistant")
        case .zephyr: HeaderTemplates.zephyrHeader("assistant")
        case .alpaca: AlpacaTemplate.responseHeader
        case .llama2, .mistral, .none: ""
        }
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
        case .chatml(let defaultSystem, let toolsAsUser):
            ChatML.segments(messages, defaultSystem: defaultSystem, toolsAsUser: toolsAsUser)
        case .llama2(let marks): InstTemplates.llama2(messages, marks)
        case .llama3(let marks): HeaderTemplates.llama3(messages, marks)
        case .mistral(let marks, let spacing): InstTemplates.mistral(messages, marks, spacing)
        case .zephyr(let marks): HeaderTemplates.zephyr(messages, marks)
        case .alpaca(let marks): AlpacaTemplate.segments(messages, marks)
        case .none: messages.map { ($0.content, $0.isTarget) }
        }
    }

    /// An instruction and the text it is about, as one user turn.
    public func userContent(instruction: String, input: String) -> String {
        if input.isEmpty { return instruction }
        if case .alpaca = self { return instruction + AlpacaTemplate.inputHeader + input }
        return instruction + "\n\n" + input
    }

    /// Why the template has no text for these turns; nil if it has one.
    public func problem(with messages: [ChatMessage]) -> String? {
        let turns = messages.first?.role == "system" ? messages.dropFirst() : messages[...]
        switch self {
        case .chatml, .llama3, .none: return nil
        case .zephyr:
            return messages.first { !["system", "user", "assistant"].contains($0.role) }
                .map { "role \"\($0.role)\", which the template zephyr does not know" }
        case .alpaca:
            return turns.first { !["user", "assistant"].contains($0.role) }
                .map { "role \"\($0.role)\" after the beginning, which the template alpaca does not know" }
        case .llama2, .mistral:
            let isAlternating = turns.enumerated().allSatisfy { $1.role == ($0 % 2 == 0 ? "user" : "assistant") }
            return isAlternating && !turns.isEmpty
                ? nil
                : "turns \(messages.map(\.role).joined(separator: ", ")), which the template \(name) does not know"
        }
    }
}

/// How a tokenizer writes the beginning and the end of a text.
public struct TextMarks: Sendable, Equatable {
    /// Before a text.
    public var begin: String
    /// After a text.
    public var end: String

    /// Marks as Llama 2 writes them, unless given.
    public init(begin: String = "<s>", end: String = "</s>") {
        self.begin = begin
        self.end = end
    }
}
