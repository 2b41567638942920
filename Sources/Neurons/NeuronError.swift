/// What is wrong with a profile, a mask, a selection or an adapter.
public struct NeuronError: Error, CustomStringConvertible, Equatable {
    /// File, option or step that the error is about.
    public var subject: String
    /// What is there.
    public var found: String
    /// What should be there.
    public var expected: String
    /// What the user can do.
    public var hint: String

    /// An error about a file, an option or a step.
    public init(subject: String, found: String, expected: String, hint: String) {
        self.subject = subject
        self.found = found
        self.expected = expected
        self.hint = hint
    }

    public var description: String { "\(subject): \(found); expected \(expected); \(hint)" }
}
