/// The templates whose turns begin with a line that names the role: Llama 3's and Zephyr's.
enum HeaderTemplates {
    typealias Segment = (text: String, isTarget: Bool)

    static let endOfTurn = "<|eot_id|>"

    static func llama3Header(_ role: String) -> String { "<|start_header_id|>\(role)<|end_header_id|>\n\n" }
    static func zephyrHeader(_ role: String) -> String { "<|\(role)|>\n" }

    static func llama3(_ messages: [ChatMessage], _ marks: TextMarks) -> [Segment] {
        let turns = messages.flatMap { turn -> [Segment] in
            [(llama3Header(turn.role), false), (turn.content.stripped + endOfTurn, turn.isTarget)]
        }
        return turns.isEmpty ? [] : [(marks.begin, false)] + turns
    }

    static func zephyr(_ messages: [ChatMessage], _ marks: TextMarks) -> [Segment] {
        messages.flatMap { turn -> [Segment] in
            [(zephyrHeader(turn.role), false), (turn.content + marks.end, turn.isTarget), ("\n", false)]
        }
    }

    static func recognise(_ source: String, marks: TextMarks) -> ChatTemplate? {
        if TemplateSource.isOne(source, of: llama3Sources) { return .llama3(marks) }
        return TemplateSource.isOne(source, of: [zephyrSource]) ? .zephyr(marks) : nil
    }

    static var llama3Source: String { llama3Sources[0] }

    private static let llama3Sources: [String] = {
        let turns =
            "{% set loop_messages = messages %}{% for message in loop_messages %}{% set content = "
            + #"'<|start_header_id|>' + message['role'] + '<|end_header_id|>\n\n' + message['content'] | trim "#
            + "+ '<|eot_id|>' %}{% if loop.index0 == 0 %}{% set content = bos_token + content %}{% endif %}"
            + "{{ content }}{% endfor %}"
        let prompt = #"{{ '<|start_header_id|>assistant<|end_header_id|>\n\n' }}"#
        // The first release always ended with a prompt.
        return [turns + "{% if add_generation_prompt %}\(prompt){% endif %}", turns + prompt]
    }()

    /// Each tag on a line of its own.
    static let zephyrSource: String = {
        func turn(_ role: String) -> String { #"{{ '<|\#(role)|>\n' + message['content'] + eos_token }}"# }
        return [
            "{% for message in messages %}", "{% if message['role'] == 'user' %}", turn("user"),
            "{% elif message['role'] == 'system' %}", turn("system"), "{% elif message['role'] == 'assistant' %}",
            turn("assistant"), "{% endif %}", "{% if loop.last and add_generation_prompt %}", "{{ '<|assistant|>' }}",
            "{% endif %}", "{% endfor %}",
        ].joined(separator: "\n")
    }()
}
