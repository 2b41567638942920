/// One row of a test set, encoded for the model.
public struct EvaluationRow: Sendable, Equatable {
    /// Where the row comes from, for messages: `test.jsonl:17`.
    public var origin: String
    /// The prompt as the user wrote it, shown with samples.
    public var prompt: String
    /// The prompt as the model reads it, up to where its answer begins; needed by metrics of generated text.
    public var promptTokens: [Int32]
    /// What the answer should be.
    public var reference: String
    /// Prompt and completion, `[T]`.
    public var tokens: [Int32]
    /// Whether each token is in the loss, `[T]`; the first never is.
    public var isTarget: [Bool]

    /// A row by its parts; `isTarget` has as many entries as `tokens`.
    public init(
        origin: String, prompt: String, promptTokens: [Int32], reference: String, tokens: [Int32], isTarget: [Bool]
    ) {
        self.origin = origin
        self.prompt = prompt
        self.promptTokens = promptTokens
        self.reference = reference
        self.tokens = tokens
        self.isTarget = isTarget
    }
}
