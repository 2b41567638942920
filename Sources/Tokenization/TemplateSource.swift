/// Parts of Jinja that several models' templates have in common.
enum TemplateSource {
    static let raiseUnlessAlternating =
        "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must "
        + "alternate user/assistant/user/assistant/...') }}{% endif %}"

    /// The contents of the turns, one after the other.
    static let contents = "{% for message in messages %}{{ message['content'] }}{% endfor %}"

    /// A text as a literal of Jinja.
    static func quoted(_ text: String) -> String {
        let escapes: [Unicode.Scalar: String] = ["\\": "\\\\", "'": "\\'", "\n": "\\n", "\r": "\\r", "\t": "\\t"]
        return "'" + text.unicodeScalars.map { escapes[$0] ?? String($0) }.joined() + "'"
    }

    /// A source for a tokenizer with `marks`. Jinja fails where it joins a text to a name that stands for nothing, so
    /// the name of a mark that is missing gets an empty text first.
    static func complete(_ source: String, _ marks: TextMarks) -> String {
        let begin = marks.begin.isEmpty && source.contains("bos_token") ? emptyBegin : ""
        let end = marks.end.isEmpty && source.contains("eos_token") ? emptyEnd : ""
        return begin + end + source
    }

    /// A source without what `complete` puts before it, and the marks that it has then.
    static func parts(of source: String, _ marks: TextMarks) -> (source: String, marks: TextMarks) {
        var rest = Substring(source)
        var marks = marks
        if rest.hasPrefix(emptyBegin) {
            rest = rest.dropFirst(emptyBegin.count)
            marks.begin = ""
        }
        if rest.hasPrefix(emptyEnd) {
            rest = rest.dropFirst(emptyEnd.count)
            marks.end = ""
        }
        return (String(rest), marks)
    }

    private static let emptyBegin = "{% set bos_token = '' %}"
    private static let emptyEnd = "{% set eos_token = '' %}"

    /// The template that joins the contents, if `source` does.
    static func recogniseContents(_ source: String) -> ChatTemplate? {
        isOne(source, of: [contents]) ? ChatTemplate.none : nil
    }

    /// The template whose marks an unknown source writes, by its name; nil if it writes those of none, or of several.
    static func likeness(of source: String) -> String? {
        let marks = [
            ("chatml", "<|im_start|>"), ("llama3", "<|start_header_id|>"), ("llama2", "<<SYS>>"), ("mistral", "[INST]"),
            ("zephyr", "<|assistant|>"), ("alpaca", "### Response:"),
        ]
        let found = marks.filter { source.contains($0.1) }.map(\.0)
        // Llama 2 writes both.
        return found.count == 1 || found == ["llama2", "mistral"] ? found[0] : nil
    }

    /// Whether `source` is one of `known` but for the white space of its code and how strings are quoted.
    static func isOne(_ source: String, of known: [String]) -> Bool {
        let shape = JinjaSource.normalised(source, hiding: nil)
        return known.contains { JinjaSource.normalised($0, hiding: nil) == shape }
    }
}

extension String {
    /// Without the white space around it that Python's `str.strip` takes away.
    var stripped: String {
        func isSpace(_ scalar: Unicode.Scalar) -> Bool {
            scalar.properties.isWhitespace || ("\u{1C}"..."\u{1F}").contains(scalar)
        }
        let scalars = unicodeScalars.drop(while: isSpace)
        var end = scalars.endIndex
        while end > scalars.startIndex, isSpace(scalars[scalars.index(before: end)]) {
            end = scalars.index(before: end)
        }
        return String(scalars[..<end])
    }
}
