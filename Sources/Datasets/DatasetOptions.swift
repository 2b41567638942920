import Tokenization

/// How a data file becomes rows of tokens.
public struct DatasetOptions: Sendable {
    /// Longest row in tokens; longer prompts are cut from the left.
    public var maxLength: Int
    /// How rows that are conversations are written for the model.
    public var chatTemplate: ChatTemplate
    /// Reads this many rows and no more.
    public var limit: Int?
    /// Leaves out rows that cannot be used, and counts them, instead of refusing the file.
    public var skipBadRows: Bool
    /// Names of keys that differ in the file: `["prompt": "question"]`.
    public var fields: [String: String]

    /// Options as they are named.
    public init(
        maxLength: Int, chatTemplate: ChatTemplate, limit: Int? = nil, skipBadRows: Bool = false,
        fields: [String: String] = [:]
    ) {
        self.maxLength = maxLength
        self.chatTemplate = chatTemplate
        self.limit = limit
        self.skipBadRows = skipBadRows
        self.fields = fields
    }
}
