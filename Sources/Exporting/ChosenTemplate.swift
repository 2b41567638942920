import Tokenization

/// A chat template that is written in the place of the source's.
public struct ChosenTemplate: Sendable {
    /// Jinja.
    public let source: String
    /// The token that ends an answer; nil where the model has no such token.
    public let endToken: Int32?

    /// - Parameters:
    ///   - template: how the model was trained to be talked to.
    ///   - tokenizer: the model's.
    public init(_ template: ChatTemplate, tokenizer: Tokenizer) {
        source = template.jinjaSource
        if let end = template.endToken, !end.isEmpty {
            endToken = tokenizer.tokenID(end)
        } else {
            endToken = tokenizer.eosToken
        }
    }
}
