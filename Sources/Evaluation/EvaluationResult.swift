import Glibc

/// What an evaluation found; the same on every rank. Encodes to the figures that were asked for, without the samples;
/// a figure that is not finite is left out, as JSON has no such number.
public struct EvaluationResult: Sendable, Equatable {
    /// 0 … 100.
    public var bleu: Double?
    /// 0 … 100.
    public var chrf: Double?
    /// Mean negative log-likelihood of the target tokens, in nats; accompanies `perplexity`.
    public var loss: Double?
    public var perplexity: Double?
    /// Rows evaluated.
    public var rows = 0
    /// Tokens in the loss over all rows; 0 where no loss was asked for.
    public var targetTokens = 0
    /// Outputs as long as the limit of new tokens: most likely cut off. Nil where nothing was generated.
    public var cutOutputs: Int?
    /// The generated text of each row, in row order; empty where nothing was generated.
    public var samples: [EvaluationSample] = []

    public init() {}
}

/// One row's prompt, what was wanted and what the model wrote.
public struct EvaluationSample: Sendable, Equatable, Codable {
    public let prompt: String
    public let reference: String
    public let output: String

    public init(prompt: String, reference: String, output: String) {
        self.prompt = prompt
        self.reference = reference
        self.output = output
    }
}

extension EvaluationResult: Encodable {
    private enum CodingKeys: String, CodingKey {
        case bleu, chrf, perplexity, loss, rows, targetTokens, cutOutputs
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: CodingKeys.self)
        func figure(_ value: Double?, _ key: CodingKeys) throws {
            if let value, value.isFinite { try container.encode(value, forKey: key) }
        }
        try figure(bleu, .bleu)
        try figure(chrf, .chrf)
        try figure(perplexity, .perplexity)
        try figure(loss, .loss)
        try container.encode(rows, forKey: .rows)
        try container.encode(targetTokens, forKey: .targetTokens)
        try container.encodeIfPresent(cutOutputs, forKey: .cutOutputs)
    }
}

/// The loss over a set of rows; the same bits for any number of ranks.
public struct LossSummary: Sendable, Equatable {
    /// Negative log-likelihood of all targets, in nats.
    public let total: Double
    /// At least 1.
    public let targetTokens: Int

    /// Nats per target token.
    public var loss: Double { total / Double(targetTokens) }
    public var perplexity: Double { exp(loss) }
}

/// How far one rank has come with its share of the rows.
public struct EvaluationProgress: Sendable, Equatable {
    public enum Phase: String, Sendable {
        /// Computing the loss of the reference completions.
        case loss
        /// Writing completions.
        case generation
    }

    public let phase: Phase
    /// Rows of this rank's share that are done.
    public let done: Int
    /// Rows of this rank's share.
    public let total: Int
}
