/// The spaces that a Mistral template puts around an answer; releases differ.
public enum MistralSpacing: Sendable, Equatable {
    /// `[/INST]answer</s>`, as the 7B of version 0.2.
    case bare
    /// `[/INST]answer</s> `, as version 0.1.
    case after
    /// `[/INST] answer</s>`, as Mixtral.
    case before
}

/// The templates with `[INST]`: Llama 2's and Mistral's.
enum InstTemplates {
    typealias Segment = (text: String, isTarget: Bool)

    static func llama2(_ messages: [ChatMessage], _ marks: TextMarks) -> [Segment] {
        let (system, turns) = split(messages)
        return turns.enumerated().flatMap { index, turn -> [Segment] in
            if turn.isTarget { return [(" \(turn.content.stripped) \(marks.end)", true)] }
            var content = turn.content
            if index == 0, let system { content = "<<SYS>>\n\(system)\n<</SYS>>\n\n\(content)" }
            return [("\(marks.begin)[INST] \(content.stripped) [/INST]", false)]
        }
    }

    static func mistral(_ messages: [ChatMessage], _ marks: TextMarks, _ spacing: MistralSpacing) -> [Segment] {
        let (system, turns) = split(messages)
        let segments = turns.enumerated().flatMap { index, turn -> [Segment] in
            if turn.isTarget {
                let answer = (spacing == .before ? " " : "") + turn.content + marks.end
                return [(answer, true)] + (spacing == .after ? [(" ", false)] : [])
            }
            let content = index == 0 ? (system.map { $0 + "\n\n" } ?? "") + turn.content : turn.content
            return [("[INST] \(content) [/INST]", false)]
        }
        return [(marks.begin, false)] + segments
    }

    private static func split(_ messages: [ChatMessage]) -> (system: String?, turns: ArraySlice<ChatMessage>) {
        guard let first = messages.first, first.role == "system" else { return (nil, messages[...]) }
        return (first.content, messages.dropFirst())
    }

    static func recognise(_ source: String, marks: TextMarks) -> ChatTemplate? {
        if TemplateSource.isOne(source, of: llama2Sources) { return .llama2(marks) }
        let spacings: [MistralSpacing] = [.bare, .after, .before]
        let spacing = spacings.first { TemplateSource.isOne(source, of: [mistralSource($0)]) }
        return spacing.map { ChatTemplate.mistral(marks, $0) }
    }

    static func mistralSource(_ spacing: MistralSpacing) -> String {
        let answer =
            switch spacing {
            case .bare: "message['content'] + eos_token"
            case .after: "message['content'] + eos_token + ' '"
            case .before: "' ' + message['content'] + eos_token"
            }
        return "{{ bos_token }}{% for message in messages %}" + TemplateSource.raiseUnlessAlternating
            + "{% if message['role'] == 'user' %}{{ '[INST] ' + message['content'] + ' [/INST]' }}"
            + "{% elif message['role'] == 'assistant' %}{{ \(answer) }}"
            + "{% else %}{{ raise_exception('Only user and assistant roles are supported!') }}{% endif %}{% endfor %}"
    }

    static var llama2Source: String { llama2Sources[0] }

    /// Some copies also have a branch for system turns, which none reaches.
    private static let llama2Sources: [String] = {
        let start =
            "{% if messages[0]['role'] == 'system' %}{% set loop_messages = messages[1:] %}"
            + "{% set system_message = messages[0]['content'] %}{% else %}{% set loop_messages = messages %}"
            + "{% set system_message = false %}{% endif %}{% for message in loop_messages %}"
            + TemplateSource.raiseUnlessAlternating
            + #"{% if loop.index0 == 0 and system_message != false %}"#
            + #"{% set content = '<<SYS>>\n' + system_message + '\n<</SYS>>\n\n' + message['content'] %}"#
            + "{% else %}{% set content = message['content'] %}{% endif %}"
            + "{% if message['role'] == 'user' %}{{ bos_token + '[INST] ' + content.strip() + ' [/INST]' }}"
        let system =
            #"{% elif message['role'] == 'system' %}{{ '<<SYS>>\n' + content.strip() + '\n<</SYS>>\n\n' }}"#
        let end =
            "{% elif message['role'] == 'assistant' %}{{ ' ' + content.strip() + ' ' + eos_token }}"
            + "{% endif %}{% endfor %}"
        return [start + end, start + system + end]
    }()
}
