/// Why a report could not be written or read.
public struct ReportingError: Error, Equatable, CustomStringConvertible {
    public let file: String
    public let found: String
    public let expected: String
    public let hint: String

    public init(file: String, found: String, expected: String, hint: String) {
        self.file = file
        self.found = found
        self.expected = expected
        self.hint = hint
    }

    public var description: String { "\(file): \(found); expected \(expected); \(hint)" }
}
