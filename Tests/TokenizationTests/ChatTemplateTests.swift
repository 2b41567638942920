import Testing

@testable import Tokenization

/// ChatML against Jinja, which rendered the models' own templates.
struct ChatTemplateTests {
    private struct Row: Decodable {
        let template: String
        let turns: [[String]]
        let text: String
        let textWithPrompt: String
        var messages: [ChatMessage] { turns.map { ChatMessage(role: $0[0], content: $0[1]) } }
    }

    private func rows() throws -> [Row] {
        let rows = try Fixtures.decode([Row].self, Fixtures.directory.appendingPathComponent("chat.json"))
        #expect(rows.count == 47)
        return rows
    }

    @Test func rendersAsTheModelsTemplate() throws {
        for row in try rows() {
            let template = try ChatTemplate.detect(source: row.template, file: "m")
            #expect(template.render(row.messages, addGenerationPrompt: false) == row.text)
            #expect(template.render(row.messages, addGenerationPrompt: true) == row.textWithPrompt)
        }
    }

    @Test func trainingPieces() throws {
        for row in try rows() {
            let template = try ChatTemplate.detect(source: row.template, file: "m")
            let pieces = template.trainingPieces(row.messages)
            let endsWithTarget = row.messages.last?.role == "assistant"
            #expect(pieces.map(\.text).joined() + (endsWithTarget ? "\n" : "") == row.text)
            #expect(
                pieces.filter(\.isTarget).map(\.text)
                    == row.messages.filter { $0.role == "assistant" }.map { $0.content + "<|im_end|>" })
            #expect(zip(pieces, pieces.dropFirst()).allSatisfy { $0.isTarget != $1.isTarget })
        }
    }

    /// What the model sees before an answer in training is what it sees when it is asked.
    @Test func promptIsAPrefixOfTheConversation() throws {
        for row in try rows() {
            let template = try ChatTemplate.detect(source: row.template, file: "m")
            for (index, message) in row.messages.enumerated() where message.role == "assistant" && index > 0 {
                let before = template.render(Array(row.messages[..<index]), addGenerationPrompt: true)
                let whole = template.render(Array(row.messages[...index]), addGenerationPrompt: false)
                #expect(whole.hasPrefix(before))
                let context = template.trainingPieces(Array(row.messages[...index])).dropLast().map(\.text).joined()
                #expect(context == before)
            }
        }
    }

    @Test func smolLM2() throws {
        let source = try Fixtures.smolLM2Vocabulary().chatTemplate
        let template = try ChatTemplate.detect(source: source, file: "m")
        let system = "You are a helpful AI assistant named SmolLM, trained by Hugging Face"
        #expect(template == .chatml(defaultSystem: system))
        #expect(template.endToken == "<|im_end|>")
        #expect(try ChatTemplate(named: "chatml", source: source) == template)
    }

    @Test func qwen2_5() throws {
        let source = try String(
            contentsOf: Fixtures.directory.appendingPathComponent("qwen2.5.jinja"), encoding: .utf8)
        let system = "You are Qwen, created by Alibaba Cloud. You are a helpful assistant."
        let template = try ChatTemplate.detect(source: source, file: "m")
        #expect(template == .chatml(defaultSystem: system, toolsAsUser: true))
        #expect(try ChatTemplate(named: "chatml", source: source) == template)
        // Qwen2.5-Math's differs in the text of its system turn.
        let math = source.replacing(system, with: #"Reason, and answer within \\boxed{}."#)
        #expect(
            try ChatTemplate.detect(source: math, file: "m")
                == .chatml(defaultSystem: #"Reason, and answer within \boxed{}."#, toolsAsUser: true))
        for changed in ["tool_response", "not loop.first", "<|im_end|>"] {
            let error = #expect(throws: TokenizationError.self) {
                try ChatTemplate.detect(source: source.replacing(changed, with: "x"), file: "m")
            }
            #expect(error?.hint.hasSuffix("; it has the marks of chatml") == true)
        }
    }

    @Test func likeness() {
        for (source, name) in [
            ("<|im_start|>", "chatml"), ("<|start_header_id|>x", "llama3"), ("[INST] <<SYS>>", "llama2"),
            ("[INST]", "mistral"), ("<|assistant|>", "zephyr"), ("### Response:", "alpaca"), ("x", nil),
            ("<|im_start|> [INST]", nil),
        ] { #expect(TemplateSource.likeness(of: source) == name) }
    }

    @Test func detection() throws {
        #expect(try ChatTemplate.detect(source: nil, file: "m") == ChatTemplate.none)
        let known = """
            {% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}\
            {% for message in messages %}{{ "<|im_start|>" + message.role + "\\n" + message["content"] + '<|im_end|>'+"
            " }}{% endfor %}{%if add_generation_prompt%}{{ "<|im_start|>assistant\\n" }}{% endif %}
            """
        #expect(try ChatTemplate.detect(source: known, file: "m") == .chatml(defaultSystem: nil))
        let spaced =
            "{%- if not add_generation_prompt"
            + known.dropFirst("{% if not add_generation_prompt".count)
            .replacing("{% for message in messages %}", with: "  \n {%- for message in messages -%} \n ") + "\n"
        #expect(try ChatTemplate.detect(source: String(spaced), file: "m") == .chatml(defaultSystem: nil))
        let unknown = [
            "", "x", "{{", "{% '", "{{ messages }}", known + "\n\n", "<s>" + known,
            known.replacing("message[\"content\"]", with: "message['content'] | trim"),
            known.replacing("<|im_start|>assistant", with: "<|im_start|>model"),
            "{% for message in messages %}{{ '[INST] ' + message['content'] + ' [/INST]' }}{% endfor %}",
        ]
        for source in unknown {
            let error = #expect(throws: TokenizationError.self) {
                try ChatTemplate.detect(source: source, file: "m.gguf")
            }
            #expect(error?.file == "m.gguf")
            #expect(error?.hint.contains("--chat-template chatml|llama2|llama3|mistral|zephyr|alpaca|none") == true)
        }
    }

    /// A default system turn without a text is still a turn.
    @Test func emptyDefaultSystem() throws {
        let smolLM2 = try #require(try rows().first?.template)
        let source = smolLM2.replacing("You are a helpful AI assistant named SmolLM, trained by Hugging Face", with: "")
        let template = try ChatTemplate.detect(source: source, file: "m")
        #expect(template == .chatml(defaultSystem: ""))
        #expect(
            template.render([ChatMessage(role: "user", content: "Hi")], addGenerationPrompt: false)
                == "<|im_start|>system\n<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n")
    }

    /// What is written into a model's files is recognised, whatever the default system text.
    @Test func sourcesToWrite() throws {
        for text in [nil, "", "Help.", "It's \"you\".", "C:\\new\t1\r\n2\n'}}' %} è"] {
            let template = ChatTemplate.chatml(defaultSystem: text)
            #expect(try ChatTemplate.detect(source: template.jinjaSource, file: "m") == template)
        }
        // Jinja renders it as it should be: it is one of the sources of the rows.
        let rows = try rows()
        for row in rows {
            let template = try ChatTemplate.detect(source: row.template, file: "m")
            #expect(try ChatTemplate.detect(source: template.jinjaSource, file: "m") == template)
            #expect(TemplateSource.isOne(template.jinjaSource, of: rows.map(\.template)))
        }
        let source = ChatTemplate.chatml(defaultSystem: "It's\n\\").jinjaSource
        #expect(source.contains(#"{{ '<|im_start|>system\nIt\'s\n\\<|im_end|>\n' }}"#))
    }

    @Test func named() throws {
        #expect(try ChatTemplate(named: "chatml") == .chatml(defaultSystem: nil))
        #expect(try ChatTemplate(named: "none", source: "x") == ChatTemplate.none)
        let error = #expect(throws: TokenizationError.self) { try ChatTemplate(named: "Chatml") }
        #expect(error?.description.contains("chatml, llama2, llama3, mistral, zephyr, alpaca, none") == true)
    }

    @Test func withoutTemplate() {
        let template = ChatTemplate.none
        let messages = [
            ChatMessage(role: "system", content: "a"), ChatMessage(role: "user", content: "b "),
            ChatMessage(role: "assistant", content: "c"),
        ]
        #expect(template.endToken == nil)
        #expect(template.render(messages, addGenerationPrompt: true) == "ab c")
        let pieces = template.trainingPieces(messages)
        #expect(pieces.map(\.text) == ["ab ", "c"])
        #expect(pieces.map(\.isTarget) == [false, true])
        let silent = template.trainingPieces([messages[1], ChatMessage(role: "assistant", content: "")])
        #expect(silent.map(\.text) == ["b ", ""])
        #expect(silent.map(\.isTarget) == [false, true])
    }
}
