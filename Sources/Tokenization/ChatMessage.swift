/// One turn of a conversation.
public struct ChatMessage: Sendable, Equatable {
    /// `system`, `user` or `assistant`; the loss is on what `assistant` says.
    public var role: String
    /// What is said, as plain text.
    public var content: String

    /// A message of one speaker.
    public init(role: String, content: String) {
        self.role = role
        self.content = content
    }

    var isTarget: Bool { role == "assistant" }
}
