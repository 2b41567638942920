/// The ChatML template.
enum ChatML {
    static let startToken = "<|im_start|>"
    static let endToken = "<|im_end|>"

    static func header(_ role: String) -> String { "\(startToken)\(role)\n" }

    static func segments(_ messages: [ChatMessage], defaultSystem: String?) -> [(text: String, isTarget: Bool)] {
        var turns = messages
        if let defaultSystem, let first = messages.first, first.role != "system" {
            turns.insert(ChatMessage(role: "system", content: defaultSystem), at: 0)
        }
        return turns.flatMap { turn in
            [(header(turn.role), false), (turn.content + endToken, turn.isTarget), ("\n", false)]
        }
    }

    /// The text between `<|im_start|>system\n` and `<|im_end|>` where the source has it as one literal.
    static func defaultSystem(in source: String) -> String? {
        JinjaSource.literals(of: source).lazy.compactMap { literal -> String? in
            let head = header("system")
            let tail = endToken + "\n"
            guard literal.hasPrefix(head), literal.hasSuffix(tail), literal.count >= head.count + tail.count else {
                return nil
            }
            let text = String(literal.dropFirst(head.count).dropLast(tail.count))
            return text.contains("<|im_") ? nil : text
        }.first
    }

    /// The template of `source` if it is one of `knownSources`, whatever its default system text.
    static func recognise(_ source: String) -> ChatTemplate? {
        let text = defaultSystem(in: source)
        let shape = JinjaSource.normalised(source, hiding: text)
        return knownSources.contains { JinjaSource.normalised($0, hiding: "DEFAULT") == shape }
            ? .chatml(defaultSystem: text) : nil
    }

    /// The form that a model with this default system turn carries.
    static func source(defaultSystem: String?) -> String {
        guard let defaultSystem else { return knownSources[0] }
        let turn = header("system") + defaultSystem + endToken + "\n"
        return knownSources[1].split(separator: defaultTurn).joined(separator: TemplateSource.quoted(turn))
    }

    private static let defaultTurn = #"'<|im_start|>system\nDEFAULT<|im_end|>\n'"#

    /// The forms that models carry. The second has a default system turn, as SmolLM2's and Qwen2's.
    private static let knownSources: [String] = {
        let turn = #"{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"#
        let prompt = #"{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"#
        let system =
            #"{% if loop.first and messages[0]['role'] != 'system' %}"#
            + "{{ \(ChatML.defaultTurn) }}{% endif %}"
        let define =
            "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}"
        let plain = "{% for message in messages %}\(turn){% endfor %}\(prompt)"
        let withSystem = "{% for message in messages %}\(system)\(turn){% endfor %}\(prompt)"
        return [plain, withSystem, define + plain, define + withSystem]
    }()
}
