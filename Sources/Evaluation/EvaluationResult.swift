import Glibc

/// What an evaluation found; the same on every rank. Encodes to the figures that were asked for, without the samples;
/// a figure that is not finite is left out, as JSON has no such number.
public struct EvaluationResult: Sendable, Equatable {
    /// 0 … 100.
    public var bleu: Double?
    /// 0 … 100.
    public var chrf: Double?
    /// 0 … 100 each.
    public var rouge: ROUGE.Scores?
    /// 0 … 100.
    public var accuracy: Double?
    /// 0 … 100.
    public var exactMatch: Double?
    /// Mean negative log-likelihood of the target tokens, in nats; accompanies `perplexity`.
    public var loss: Double?
    /// `exp(loss)`.
    public var perplexity: Double?
    /// Rows evaluated.
    public var rows = 0
    /// Tokens in the loss over all rows; 0 where no loss was asked for.
    public var targetTokens = 0
    /// Outputs as long as the limit of new tokens: most likely cut off. Nil where nothing was generated.
    public var cutOutputs: Int?
    /// The generated text of each row, in row order; empty where nothing was generated.
    public var samples: [EvaluationSample] = []

    /// A result without figures.
    public init() {}

    /// The figures that were asked for, by the names they have in JSON.
    public var figures: [(name: String, value: Double)] {
        let all = [
            ("bleu", bleu), ("chrf", chrf), ("rouge1", rouge?.one), ("rouge2", rouge?.two), ("rougeL", rouge?.longest),
            ("accuracy", accuracy), ("exactMatch", exactMatch), ("perplexity", perplexity), ("loss", loss),
        ]
        return all.compactMap { name, value in value.map { (name, $0) } }
    }
}

/// One row's prompt, what was wanted and what the model wrote.
public struct EvaluationSample: Sendable, Equatable, Codable {
    /// The prompt, as text.
    public let prompt: String
    /// The completion of the data.
    public let reference: String
    /// What the model wrote.
    public let output: String

    /// A row's three texts.
    public init(prompt: String, reference: String, output: String) {
        self.prompt = prompt
        self.reference = reference
        self.output = output
    }
}

extension EvaluationResult: Encodable {
    private struct Key: CodingKey {
        let stringValue: String
        let intValue: Int? = nil
        init(stringValue: String) { self.stringValue = stringValue }
        init?(intValue: Int) { nil }
    }

    public func encode(to encoder: any Encoder) throws {
        var container = encoder.container(keyedBy: Key.self)
        for (name, value) in figures where value.isFinite {
            try container.encode(value, forKey: Key(stringValue: name))
        }
        try container.encode(rows, forKey: Key(stringValue: "rows"))
        try container.encode(targetTokens, forKey: Key(stringValue: "targetTokens"))
        try container.encodeIfPresent(cutOutputs, forKey: Key(stringValue: "cutOutputs"))
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
    /// `exp(loss)`.
    public var perplexity: Double { exp(loss) }
}

/// How far one rank has come with its share of the rows.
public struct EvaluationProgress: Sendable, Equatable {
    /// What is being done to the rows.
    public enum Phase: String, Sendable {
        /// Computing the loss of the reference completions.
        case loss
        /// Computing how likely each class is.
        case classes
        /// Writing completions.
        case generation
        /// Looking at activations.
        case activations
    }

    /// What is being done.
    public let phase: Phase
    /// Rows of this rank's share that are done.
    public let done: Int
    /// Rows of this rank's share.
    public let total: Int
}
