/// What is wrong with a data file, or with one row of it.
public struct DatasetError: Error, CustomStringConvertible, Equatable {
    public var file: String
    /// Line (or item of a JSON array), from 1; nil for the file as a whole.
    public var line: Int?
    public var found: String
    public var expected: String
    public var hint: String

    public init(file: String, line: Int? = nil, found: String, expected: String, hint: String) {
        self.file = file
        self.line = line
        self.found = found
        self.expected = expected
        self.hint = hint
    }

    public var description: String {
        "\(file)\(line.map { ":\($0)" } ?? ""): \(found); expected \(expected); \(hint)"
    }
}
