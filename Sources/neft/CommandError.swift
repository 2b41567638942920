/// Bad input that only the command line can see: options, folders, what does not fit together.
struct CommandError: Error, CustomStringConvertible, Equatable {
    /// A file (with line), an option, a folder.
    let subject: String
    let found: String
    let expected: String
    let hint: String

    init(_ subject: String, found: String, expected: String = "", hint: String = "") {
        self.subject = subject
        self.found = found
        self.expected = expected
        self.hint = hint
    }

    var description: String {
        var text = "\(subject): \(found)"
        if !expected.isEmpty { text += "; expected \(expected)" }
        if !hint.isEmpty { text += "; \(hint)" }
        return text
    }
}
