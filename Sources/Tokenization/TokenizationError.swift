/// What is wrong with a tokenizer, a vocabulary or a chat template.
public struct TokenizationError: Error, Equatable, CustomStringConvertible {
    /// The file it was read from, as the caller named it.
    public let file: String
    /// What is there, with the place inside the file (`merges[12] names "ab", which is not in the vocabulary`).
    public let found: String
    /// What should be there.
    public let expected: String
    /// What the user can do.
    public let hint: String

    /// An error about a file.
    public init(file: String, found: String, expected: String, hint: String) {
        self.file = file
        self.found = found
        self.expected = expected
        self.hint = hint
    }

    public var description: String { "\(file): \(found); expected \(expected); \(hint)" }
}
