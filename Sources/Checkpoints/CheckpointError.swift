/// What is wrong with a model file: names the file and, where there is one, the tensor or key.
public struct CheckpointError: Error, CustomStringConvertible, Equatable {
    /// The file's path.
    public var file: String
    /// Tensor, metadata key or part of the file; nil for the file as a whole.
    public var item: String?
    /// What is there.
    public var found: String
    /// What should be there.
    public var expected: String
    /// What the user can do.
    public var hint: String

    /// An error about `item` of a file, or about the file as a whole.
    public init(file: String, item: String? = nil, found: String, expected: String, hint: String) {
        self.file = file
        self.item = item
        self.found = found
        self.expected = expected
        self.hint = hint
    }

    public var description: String {
        "\(file): \(item.map { "\($0): " } ?? "")\(found); expected \(expected); \(hint)"
    }
}
