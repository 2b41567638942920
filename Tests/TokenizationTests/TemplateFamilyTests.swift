import Testing

@testable import Tokenization

/// Templates of several families against transformers' apply_chat_template.
struct TemplateFamilyTests {
    private struct Family: Decodable {
        struct Conversation: Decodable {
            let turns: [[String]]
            let text: String?
            let textWithPrompt: String?
            let refused: String?
            var messages: [ChatMessage] { turns.map { ChatMessage(role: $0[0], content: $0[1]) } }
        }
        let name: String
        let template: String
        let conversations: [Conversation]
    }

    private func families() throws -> [Family] {
        let families = try Fixtures.decode([Family].self, Fixtures.directory.appendingPathComponent("templates.json"))
        #expect(families.count == 8)
        return families
    }

    @Test func rendersAsTransformers() throws {
        for family in try families() {
            let template = try ChatTemplate.detect(source: family.template, file: "m")
            #expect(template.name == family.name)
            for conversation in family.conversations {
                let messages = conversation.messages
                if conversation.refused != nil {
                    // A system turn before a first user turn is more than Mistral's own template takes.
                    let isOurs = template.name == "mistral" && messages[0].role == "system"
                    #expect((template.problem(with: messages) != nil) == !isOurs, "\(family.name) \(messages)")
                    continue
                }
                // Turns that a template leaves out without a word are refused.
                let isLeftOut = ["zephyr", "alpaca"].contains(family.name) && messages.contains { $0.role == "tool" }
                #expect((template.problem(with: messages) != nil) == isLeftOut, "\(family.name) \(messages)")
                guard !isLeftOut else { continue }
                #expect(template.render(messages, addGenerationPrompt: false) == conversation.text)
                #expect(template.render(messages, addGenerationPrompt: true) == conversation.textWithPrompt)
            }
        }
    }

    /// What the model sees before an answer in training is what it sees when it is asked.
    @Test func promptIsAPrefixOfTheConversation() throws {
        var count = 0
        for family in try families() {
            let template = try ChatTemplate.detect(source: family.template, file: "m")
            for messages in family.conversations.map(\.messages) where template.problem(with: messages) == nil {
                for (index, message) in messages.enumerated() where message.role == "assistant" && index > 0 {
                    let before = template.render(Array(messages[..<index]), addGenerationPrompt: true)
                    let turns = Array(messages[...index])
                    #expect(template.render(turns, addGenerationPrompt: false).hasPrefix(before), "\(family.name)")
                    let pieces = template.trainingPieces(turns)
                    #expect(pieces.dropLast().map(\.text).joined() == before, "\(family.name)")
                    #expect(pieces.last?.isTarget == true)
                    #expect(pieces.last?.text.hasSuffix(try #require(template.endToken)) == true)
                    count += 1
                }
            }
        }
        #expect(count > 30)
    }

    /// What is written into a model's files is a source that transformers renders alike, and is recognised.
    @Test func sourcesToWrite() throws {
        let families = try families()
        for family in families {
            let template = try ChatTemplate.detect(source: family.template, file: "m")
            let source = template.jinjaSource
            #expect(try ChatTemplate.detect(source: source, file: "m") == template)
            let alike = families.filter { $0.name == family.name }.map(\.template)
            #expect(TemplateSource.isOne(source, of: alike), "\(family.name)")
        }
        for name in ChatTemplate.names {
            for (begin, end) in [("<b>", "<e>"), ("", "<e>"), ("", "")] {
                let marks = TextMarks(begin: begin, end: end)
                let template = try ChatTemplate(named: name, marks: marks)
                #expect(try ChatTemplate.detect(source: template.jinjaSource, file: "m", marks: marks) == template)
            }
        }
        // A name without a value cannot be joined to a text.
        let bare = ChatTemplate.llama2(TextMarks(begin: "", end: "</s>")).jinjaSource
        #expect(bare.hasPrefix("{% set bos_token = '' %}{% if"))
        #expect(try ChatTemplate.detect(source: bare, file: "m") == .llama2(TextMarks(begin: "", end: "</s>")))
        #expect(ChatTemplate.none.jinjaSource == "{% for message in messages %}{{ message['content'] }}{% endfor %}")
    }

    @Test func detectionIsExact() throws {
        for family in try families() {
            // White space of the code and the kind of quotes do not matter; everything else does.
            let spaced = family.template.replacing("{% if", with: "{%  if").replacing("['role']", with: ".role")
            #expect(try ChatTemplate.detect(source: spaced, file: "m").name == family.name)
            for changed in [
                family.template + " ", family.template.replacing("user", with: "human"), "x" + family.template,
                family.template.replacing("message['content']", with: "message['content'] | upper"),
            ] where changed != family.template {
                #expect { try ChatTemplate.detect(source: changed, file: "m") } throws: {
                    "\($0)".contains("--chat-template chatml|llama2|llama3|mistral|zephyr|alpaca|none")
                }
            }
        }
    }

    @Test func named() throws {
        let marks = TextMarks(begin: "<b>", end: "<e>")
        let turns = [ChatMessage(role: "user", content: "a"), ChatMessage(role: "assistant", content: "c")]
        let texts = [
            "llama2": "<b>[INST] a [/INST] c <e>", "mistral": "<b>[INST] a [/INST]c<e>",
            "zephyr": "<|user|>\na<e>\n<|assistant|>\nc<e>\n", "none": "ac",
            "chatml": "<|im_start|>user\na<|im_end|>\n<|im_start|>assistant\nc<|im_end|>\n",
            "llama3": "<b><|start_header_id|>user<|end_header_id|>\n\na<|eot_id|><|start_header_id|>assistant"
                + "<|end_header_id|>\n\nc<|eot_id|>",
            "alpaca": "\(AlpacaTemplate.preamble)\n\n### Instruction:\na\n\n### Response:\nc<e>\n\n",
        ]
        for name in ChatTemplate.names {
            let template = try ChatTemplate(named: name, marks: marks)
            #expect(template.name == name)
            #expect(template.render(turns, addGenerationPrompt: false) == texts[name])
        }
        // The model's own spaces, and what the original templates have no word for.
        let source = try #require(try families().first { $0.template.contains("' ' + message") }?.template)
        let spaced = try ChatTemplate(named: "mistral", source: source)
        let system = [ChatMessage(role: "system", content: "s")] + turns
        #expect(spaced.render(system, addGenerationPrompt: false) == "<s>[INST] s\n\na [/INST] c</s>")
        #expect(try ChatTemplate(named: "alpaca").userContent(instruction: "a", input: "b") == "a\n\n### Input:\nb")
        #expect(ChatTemplate.none.userContent(instruction: "a", input: "b") == "a\n\nb")
        #expect(ChatTemplate.none.userContent(instruction: "a", input: "") == "a")
    }
}
