/// What is wrong with a data file, or with one row of it.
public struct DatasetError: Error, CustomStringConvertible, Equatable {
    /// The file's path.
    public var file: String
    /// Line (or item of a JSON array), from 1; nil for the file as a whole.
    public var line: Int?
    /// What is there.
    public var found: String
    /// What should be there.
    public var expected: String
    /// What the user can do.
    public var hint: String

    /// An error about a line of a file, or about the file as a whole.
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
