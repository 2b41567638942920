/// Why a report could not be written or read.
public struct ReportingError: Error, Equatable, CustomStringConvertible {
    /// The file's path.
    public let file: String
    /// What is there.
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
