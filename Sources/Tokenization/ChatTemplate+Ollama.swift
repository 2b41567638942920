extension ChatTemplate {
    /// The template in the language of Go's `text/template`, with Ollama's names. The mark before a text is left out where
    /// the tokenizer adds it.
    public func ollamaSource(addsBOS: Bool) -> String {
        func begin(_ marks: TextMarks) -> String { addsBOS ? "" : marks.begin }
        switch self {
        case .chatml:
            return "{{ range .Messages }}<|im_start|>{{ .Role }}\n{{ .Content }}<|im_end|>\n{{ end }}"
                + "<|im_start|>assistant\n"
        case .llama2(let marks):
            return begin(marks) + "{{ range $i, $m := .Messages }}{{ if eq .Role \"user\" }}"
                + "{{ if gt $i 1 }}\(marks.begin){{ end }}[INST] {{ if and (le $i 1) $.System }}<<SYS>>\n"
                + "{{ $.System }}\n<</SYS>>\n\n{{ end }}{{ .Content }} [/INST]{{ else if eq .Role \"assistant\" }} "
                + "{{ .Content }} \(marks.end){{ end }}{{ end }}"
        case .llama3(let marks):
            return begin(marks) + "{{ range .Messages }}<|start_header_id|>{{ .Role }}<|end_header_id|>\n\n"
                + "{{ .Content }}<|eot_id|>{{ end }}<|start_header_id|>assistant<|end_header_id|>\n\n"
        case .mistral(let marks, let spacing):
            return begin(marks) + "{{ range $i, $m := .Messages }}{{ if eq .Role \"user\" }}[INST] "
                + "{{ if and (le $i 1) $.System }}{{ $.System }}\n\n{{ end }}{{ .Content }} [/INST]"
                + "{{ else if eq .Role \"assistant\" }}\(spacing == .before ? " " : ""){{ .Content }}\(marks.end)"
                + "\(spacing == .after ? " " : ""){{ end }}{{ end }}"
        case .zephyr(let marks):
            return "{{ range .Messages }}<|{{ .Role }}|>\n{{ .Content }}\(marks.end)\n{{ end }}<|assistant|>\n"
        case .alpaca(let marks):
            return "{{ if .System }}{{ .System }}{{ else }}\(AlpacaTemplate.preamble){{ end }}\n\n"
                + "{{ range .Messages }}{{ if eq .Role \"user\" }}\(AlpacaTemplate.instructionHeader){{ .Content }}\n\n"
                + "{{ else if eq .Role \"assistant\" }}\(AlpacaTemplate.responseHeader){{ .Content }}\(marks.end)\n\n"
                + "{{ end }}{{ end }}\(AlpacaTemplate.responseHeader)"
        case .none: return "{{ .Prompt }}"
        }
    }
}
