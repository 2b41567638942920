/// Just enough reading of Jinja to compare templates: what is literal, what is code, what is text between.
enum JinjaSource {
    private enum Part {
        /// Outside of `{{ … }}` and `{% … %}`: it is output as it stands.
        case text(String)
        /// A code character that is no white space.
        case code(Character)
        /// A string literal, escapes resolved.
        case literal(String)
    }

    static func literals(of source: String) -> [String] {
        parts(of: source).compactMap { if case .literal(let text) = $0 { text } else { nil } }
    }

    /// The same for any two sources that differ only in white space of the code, in white space that `{%-` and `-%}` take
    /// away, in a newline at the end, in how strings are quoted, and in `a.b` for `a['b']`; `hidden` is taken out of the
    /// literals.
    static func normalised(_ source: String, hiding hidden: String?) -> String {
        let joined = parts(of: source).map { part in
            switch part {
            case .text(let text): "\u{1}\(text)\u{1}"
            case .code(let character): String(character)
            case .literal(let text): "\u{2}\(hidden.map { removing($0, from: text) } ?? text)\u{2}"
            }
        }.joined()
        return ["role", "content"].reduce(joined) { text, key in
            text.split(separator: "[\u{2}\(key)\u{2}]", omittingEmptySubsequences: false).joined(separator: ".\(key)")
        }
    }

    private static func removing(_ hidden: String, from text: String) -> String {
        hidden.isEmpty ? text : text.split(separator: hidden, omittingEmptySubsequences: false).joined()
    }

    private static func parts(of source: String) -> [Part] {
        var parts: [Part] = []
        var text = ""
        var insideTag = false
        // Jinja drops a newline at the end.
        var rest = source.last == "\n" ? source.dropLast() : source[...]
        while let character = rest.popFirst() {
            if !insideTag {
                if character == "{", let second = rest.first, second == "{" || second == "%" {
                    if rest.dropFirst().first == "-" {
                        text = trimmingEnd(of: text)
                        rest.removeFirst(2)
                    } else {
                        rest.removeFirst()
                    }
                    if !text.isEmpty { parts.append(.text(text)) }
                    text = ""
                    insideTag = true
                    parts += [.code(character), .code(second)]
                } else {
                    text.append(character)
                }
            } else if character == "'" || character == "\"" {
                parts.append(.literal(literal(from: &rest, quote: character)))
            } else if character == "-", rest.hasPrefix("%}") || rest.hasPrefix("}}") {
                parts += rest.prefix(2).map { .code($0) }
                rest = rest.dropFirst(2).drop(while: \.isWhitespace)
                insideTag = false
            } else if !character.isWhitespace {
                if character == "}", case .code(let before)? = parts.last, before == "}" || before == "%" {
                    insideTag = false
                }
                parts.append(.code(character))
            }
        }
        if !text.isEmpty { parts.append(.text(text)) }
        return parts
    }

    private static func trimmingEnd(of text: String) -> String {
        var end = text[...]
        while end.last?.isWhitespace == true { end.removeLast() }
        return String(end)
    }

    private static func literal(from rest: inout Substring, quote: Character) -> String {
        var text = ""
        while let character = rest.popFirst(), character != quote {
            guard character == "\\", let escaped = rest.popFirst() else {
                text.append(character)
                continue
            }
            switch escaped {
            case "n": text.append("\n")
            case "t": text.append("\t")
            case "r": text.append("\r")
            default: text.append(escaped)
            }
        }
        return text
    }
}
