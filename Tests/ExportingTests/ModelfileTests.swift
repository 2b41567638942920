import Exporting
import Testing
import Tokenization

@Suite struct ModelfileTests {
    @Test func chatMLWithItsSystemTurn() {
        let file = Modelfile(
            from: "./model.gguf", template: .chatml(defaultSystem: "You help."), stops: ["<|im_end|>", ""],
            addsBOS: false)
        #expect(
            file.text == """
                FROM ./model.gguf
                TEMPLATE \"""{{ range .Messages }}<|im_start|>{{ .Role }}
                {{ .Content }}<|im_end|>
                {{ end }}<|im_start|>assistant
                \"""
                SYSTEM \"""You help.\"""
                PARAMETER stop "<|im_end|>"

                """)
    }

    /// Ollama has no way to write a quote inside of quotes of its kind.
    @Test func whatCannotBeQuotedIsLeftOut() {
        let system = "Say \"\"\"x\"\"\"."
        let file = Modelfile(
            from: "m", template: .chatml(defaultSystem: system), stops: ["<|im_end|>", "a\"b"], addsBOS: false)
        let lines = file.text.split(separator: "\n").suffix(3)
        #expect(
            lines == [
                "# Without the default system turn: it has three double quotes, which would end it here.",
                "PARAMETER stop \"<|im_end|>\"", "# Without one stop: it has a double quote, which would end it here.",
            ])
        let quoted = Modelfile(
            from: "m", template: .chatml(defaultSystem: "Say \"x\"."), stops: [], addsBOS: false)
        #expect(quoted.text.hasSuffix("SYSTEM \"\"\"Say \"x\".\"\"\"\n"))
    }

    /// A few actions of Go's templates, evaluated for one conversation: enough to compare with what neft renders.
    private func evaluate(_ source: String, _ messages: [ChatMessage]) -> String {
        let system = messages.first?.role == "system" ? messages[0].content : ""
        func text(_ expression: String, _ index: Int?) -> String {
            switch expression {
            case ".Role": messages[index ?? 0].role
            case ".Content": messages[index ?? 0].content
            case ".System", "$.System": system
            case ".Prompt": messages[messages.count - 1].content
            default: "?\(expression)?"
            }
        }
        func holds(_ condition: String, _ index: Int?) -> Bool {
            if condition.hasPrefix("eq .Role ") {
                return "\"\(messages[index ?? 0].role)\"" == condition.dropFirst("eq .Role ".count)
            }
            if condition == "gt $i 1" { return (index ?? 0) > 1 }
            if condition == "and (le $i 1) $.System" { return (index ?? 0) <= 1 && !system.isEmpty }
            return condition == ".System" && !system.isEmpty
        }
        // Parts: text, action, text, action, …
        let parts = source.split(separator: "{{ ", omittingEmptySubsequences: false).enumerated().flatMap {
            number, part -> [String] in
            if number == 0 { return [String(part)] }
            let halves = part.split(separator: " }}", maxSplits: 1, omittingEmptySubsequences: false)
            return halves.map(String.init)
        }
        func run(_ position: inout Int, _ index: Int?, _ isActive: Bool) -> String {
            var output = ""
            while position < parts.count {
                let part = parts[position]
                position += 1
                if position % 2 == 1 {
                    if isActive { output += part }
                } else if part.hasPrefix("range") {
                    let start = position
                    for number in messages.indices {
                        position = start
                        output += run(&position, number, isActive)
                    }
                } else if part.hasPrefix("if ") {
                    var isDone = false
                    var condition: String? = String(part.dropFirst(3))
                    while let current = condition {
                        let isTrue = !isDone && (current == "else" || holds(current, index))
                        output += run(&position, index, isActive && isTrue)
                        isDone = isDone || isTrue
                        let end = parts[position - 1]
                        condition = end == "else" ? "else" : end.hasPrefix("else if ") ? String(end.dropFirst(8)) : nil
                    }
                } else if part == "end" || part.hasPrefix("else") {
                    return output
                } else if isActive {
                    output += text(part, index)
                }
            }
            return output
        }
        var position = 0
        return run(&position, nil, true)
    }

    @Test(arguments: ChatTemplate.names, [false, true])
    func templateSaysWhatNeftRenders(name: String, hasSystem: Bool) throws {
        let template = try ChatTemplate(named: name)
        let turns = [
            ChatMessage(role: "user", content: "one"), ChatMessage(role: "assistant", content: "two"),
            ChatMessage(role: "user", content: "three"),
        ]
        let system = hasSystem ? [ChatMessage(role: "system", content: "be kind")] : []
        // Without a template there is one turn.
        let messages = name == "none" ? [turns[2]] : system + turns
        let source = template.ollamaSource(addsBOS: false)
        #expect(evaluate(source, messages) == template.render(messages, addGenerationPrompt: true))
        #expect(template.ollamaSource(addsBOS: true) == source.trimmingPrefix("<s>"))
    }
}
