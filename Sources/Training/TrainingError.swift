/// Why a run cannot start or go on.
///
/// Every rank throws the same error unless its description says otherwise; see `CollectiveError` for what a rank that
/// fails alone owes the others.
public struct TrainingError: Error, Equatable, CustomStringConvertible {
    /// Where: an option (`--learning-rate`), a step (`step 12`), a file or folder.
    public let subject: String
    /// What is there.
    public let found: String
    /// What should be there.
    public let expected: String
    /// What the user can do.
    public let hint: String
    /// Whether the machine failed (a full disk), not what was asked for.
    public let isFault: Bool

    /// An error that all ranks share.
    public init(subject: String, found: String, expected: String, hint: String, isFault: Bool = false) {
        self.subject = subject
        self.found = found
        self.expected = expected
        self.hint = hint
        self.isFault = isFault
    }

    /// The same error with something more to tell.
    func adding(_ text: String) -> TrainingError {
        TrainingError(subject: subject, found: found, expected: expected, hint: "\(hint); \(text)", isFault: isFault)
    }

    public var description: String { "\(subject): \(found); expected \(expected); \(hint)" }
}
