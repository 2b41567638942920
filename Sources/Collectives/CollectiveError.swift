/// What went wrong between ranks: a message that is not what it should be, ranks that disagree, a bad launch.
///
/// A rank that throws, here or anywhere else in a run of several ranks, must end the run with
/// `MPICommunicator.abort(code:)` once it has said why: the others wait for it inside a collective call and cannot
/// know. Nothing in this module ends a run because of a thrown error.
public struct CollectiveError: Error, CustomStringConvertible, Equatable, Sendable {
    /// Where: `message from rank 2`, a file, `launch`.
    public let subject: String
    /// What was there instead.
    public let found: String
    /// What should have been there; empty if that is plain.
    public let expected: String
    /// What the reader can do; empty if nothing.
    public let hint: String

    /// An error about a rank, a host or a message.
    public init(subject: String, found: String, expected: String = "", hint: String = "") {
        self.subject = subject
        self.found = found
        self.expected = expected
        self.hint = hint
    }

    public var description: String {
        var text = "\(subject): \(found)"
        if !expected.isEmpty { text += "; expected \(expected)" }
        if !hint.isEmpty { text += "; \(hint)" }
        return text
    }
}
