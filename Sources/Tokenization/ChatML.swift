import Checkpoints

/// The ChatML template.
enum ChatML {
    static let startToken = "<|im_start|>"
    static let endToken = "<|im_end|>"

    static func header(_ role: String) -> String { "\(startToken)\(role)\n" }

    static func segments(
        _ messages: [ChatMessage], defaultSystem: String?, toolsAsUser: Bool
    ) -> [(text: String, isTarget: Bool)] {
        var turns = messages
        if let defaultSystem, let first = messages.first, first.role != "system" {
            turns.insert(ChatMessage(role: "system", content: defaultSystem), at: 0)
        }
        return turns.indices.flatMap { index -> [(text: String, isTarget: Bool)] in
            let turn = turns[index]
            guard toolsAsUser, turn.role == "tool" else {
                return [(header(turn.role), false), (turn.content + endToken, turn.isTarget), ("\n", false)]
            }
            // Tools that answer one after the other share a turn.
            let isFirst = index == 0 || turns[index - 1].role != "tool"
            let isLast = index + 1 == turns.count || turns[index + 1].role != "tool"
            let answer = "\n<tool_response>\n\(turn.content)\n</tool_response>"
            return [((isFirst ? startToken + "user" : "") + answer + (isLast ? endToken + "\n" : ""), false)]
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

    /// The template of `source` if it is one of `knownSources` or Qwen2.5's, whatever its default system text.
    static func recognise(_ source: String) -> ChatTemplate? {
        let text = defaultSystem(in: source)
        let shape = JinjaSource.normalised(source, hiding: text)
        if BaseHash.ofBytes(Array(shape.utf8)) == shapeOfQwen2_5 {
            return .chatml(defaultSystem: text, toolsAsUser: true)
        }
        return knownSources.first { JinjaSource.normalised($0.source, hiding: "DEFAULT") == shape }
            .map { .chatml(defaultSystem: text, toolsAsUser: $0.toolsAsUser) }
    }

    /// SHA-256 of the normalised source of Qwen2.5's template, which is long for what it says about tools that are to be
    /// called: no row has those.
    private static let shapeOfQwen2_5 = "c6b44fdd738c615e59be78f7b0ab6b2cb49be7fead1e1caa6d8aeeb92115e190"

    /// The form that a model with this default system turn carries.
    static func source(defaultSystem: String?, toolsAsUser: Bool) -> String {
        let known = knownSources.first {
            $0.toolsAsUser == toolsAsUser && $0.source.contains(defaultTurn) == (defaultSystem != nil)
        }
        guard let source = known?.source else { preconditionFailure("a known source is missing") }
        let turn = header("system") + (defaultSystem ?? "") + endToken + "\n"
        return source.split(separator: defaultTurn).joined(separator: TemplateSource.quoted(turn))
    }

    private static let defaultTurn = #"'<|im_start|>system\nDEFAULT<|im_end|>\n'"#

    /// The forms that models carry: without a default system turn and with one, as SmolLM2's and Qwen2's; and those with
    /// turns of tools as Qwen2.5 writes them.
    private static let knownSources: [(source: String, toolsAsUser: Bool)] = {
        let turn = #"{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"#
        let prompt = #"{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"#
        let system =
            #"{% if loop.first and messages[0]['role'] != 'system' %}"#
            + "{{ \(ChatML.defaultTurn) }}{% endif %}"
        let define =
            "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}"
        let tool =
            "{% if message['role'] == 'tool' %}"
            + "{% if loop.first or messages[loop.index0 - 1]['role'] != 'tool' %}{{ '<|im_start|>user' }}{% endif %}"
            + #"{{ '\n<tool_response>\n' + message['content'] + '\n</tool_response>' }}"#
            + "{% if loop.last or messages[loop.index0 + 1]['role'] != 'tool' %}"
            + #"{{ '<|im_end|>\n' }}{% endif %}{% else %}"#
        let each = "{% for message in messages %}"
        let plain = "\(each)\(turn){% endfor %}\(prompt)"
        let withSystem = "\(each)\(system)\(turn){% endfor %}\(prompt)"
        return [
            (plain, false), (withSystem, false), (define + plain, false), (define + withSystem, false),
            ("\(each)\(tool)\(turn){% endif %}{% endfor %}\(prompt)", true),
            ("\(each)\(system)\(tool)\(turn){% endif %}{% endfor %}\(prompt)", true),
        ]
    }()
}
