/// The prompt of Stanford Alpaca (Taori et al. 2023) for conversations. No model brings a Jinja source that all agree
/// on; `source` is the one that this template is recognised by.
enum AlpacaTemplate {
    static let preamble =
        "Below is an instruction that describes a task. Write a response that appropriately completes the request."
    static let instructionHeader = "### Instruction:\n"
    static let inputHeader = "\n\n### Input:\n"
    static let responseHeader = "### Response:\n"

    static func segments(_ messages: [ChatMessage], _ marks: TextMarks) -> [(text: String, isTarget: Bool)] {
        let hasSystem = messages.first?.role == "system"
        let start = hasSystem ? messages[0].content : preamble
        let turns = (hasSystem ? messages.dropFirst() : messages[...]).flatMap {
            turn -> [(text: String, isTarget: Bool)] in
            turn.isTarget
                ? [(responseHeader, false), (turn.content + marks.end, true), ("\n\n", false)]
                : [(instructionHeader + turn.content + "\n\n", false)]
        }
        return [(start + "\n\n", false)] + turns
    }

    static func recognise(_ source: String, marks: TextMarks) -> ChatTemplate? {
        TemplateSource.isOne(source, of: [self.source]) ? .alpaca(marks) : nil
    }

    static let source =
        #"{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] + '\n\n' }}{% else %}"#
        + "{{ '\(preamble)" + #"\n\n' }}{% endif %}{% for message in messages %}"#
        + #"{% if message['role'] == 'user' %}{{ '### Instruction:\n' + message['content'] + '\n\n' }}"#
        + #"{% elif message['role'] == 'assistant' %}{{ '### Response:\n' + message['content'] + eos_token + '\n\n' }}"#
        + #"{% endif %}{% endfor %}{% if add_generation_prompt %}{{ '### Response:\n' }}{% endif %}"#
}
