/// Why an evaluation cannot be done. Every rank throws the same error, before any communication.
public struct EvaluationError: Error, Equatable, CustomStringConvertible {
    /// Where: a row's origin (`test.jsonl:17`, `row 3`) or an option (`--metrics`).
    public let subject: String
    /// What is there.
    public let found: String
    /// What should be there.
    public let expected: String
    /// What the user can do.
    public let hint: String

    /// An error about a row or an option.
    public init(subject: String, found: String, expected: String, hint: String) {
        self.subject = subject
        self.found = found
        self.expected = expected
        self.hint = hint
    }

    public var description: String { "\(subject): \(found); expected \(expected); \(hint)" }
}
