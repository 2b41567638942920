/// Parts of Jinja that several models' templates have in common.
enum TemplateSource {
    static let raiseUnlessAlternating =
        "{% if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}{{ raise_exception('Conversation roles must "
        + "alternate user/assistant/user/assistant/...') }}{% endif %}"

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
