/// What one optimizer step did. Times and bytes are this rank's, the rest is the same on all ranks.
public struct TrainingProgress: Sendable, Equatable {
    /// Steps done, this one included.
    public var step: Int
    /// Steps of the whole run.
    public var totalSteps: Int
    /// Passes over the data begun, from 1.
    public var epoch: Int
    /// Mean loss of the global batch's target tokens before the update, nats.
    public var loss: Double
    /// Of this step.
    public var learningRate: Double
    /// L2 norm of the gradient before clipping.
    public var gradientNorm: Double
    /// Whether the gradient was not finite and the weights were left as they are.
    public var isSkipped: Bool
    /// Tokens of the global batch, over all ranks, and those of them in the loss.
    public var tokens: Int
    /// Of the tokens, those in the loss.
    public var targetTokens: Int
    /// What the step took.
    public var stepSeconds: Double
    /// Forward and backward passes.
    public var computeSeconds: Double
    /// Exchanging losses, gradients and weights while nothing is computed, waiting for the other ranks included. New
    /// weights count for the step that waits for them: the next one, unless they were needed before.
    public var exchangeSeconds: Double
    /// What the exchange took, that part included that is hidden behind the computation; as above.
    public var exchangeBusySeconds: Double
    /// Bytes this rank sent, and how many they would have been as plain floats; as above.
    public var wireBytes: Int
    /// What `wireBytes` would be as plain floats.
    public var rawBytes: Int

    /// Over all ranks.
    public var tokensPerSecond: Double { stepSeconds > 0 ? Double(tokens) / stepSeconds : 0 }
    /// Share of the step spent in the exchange, 0…1.
    public var exchangeShare: Double { stepSeconds > 0 ? exchangeSeconds / stepSeconds : 0 }
}

/// What a whole run did. Times and bytes are this rank's, the rest is the same on all ranks.
public struct TrainingSummary: Sendable, Equatable, Codable {
    /// Steps done.
    public var steps = 0
    /// Of them, those whose gradient was not finite and changed nothing.
    public var skippedSteps = 0
    /// Mean loss of the last 50 steps, or of all if there are fewer; steps left out do not count. NaN if none is left.
    public var finalLoss: Double { lastLosses.isEmpty ? .nan : lastLosses.reduce(0, +) / Double(lastLosses.count) }
    /// Over all ranks.
    public var tokens = 0
    /// Of all steps.
    public var seconds = 0.0
    /// Forward and backward passes.
    public var computeSeconds = 0.0
    /// Waiting for the exchange, as in `TrainingProgress`.
    public var exchangeSeconds = 0.0
    /// Bytes this rank sent.
    public var wireBytes = 0
    /// What `wireBytes` would be as plain floats.
    public var rawBytes = 0
    private var lastLosses: [Double] = []

    /// A run of no steps.
    public init() {}

    /// Over all ranks.
    public var tokensPerSecond: Double { seconds > 0 ? Double(tokens) / seconds : 0 }
    /// Bytes this rank sent in a step, on average.
    public var wireBytesPerStep: Double { steps > 0 ? Double(wireBytes) / Double(steps) : 0 }

    mutating func add(_ progress: TrainingProgress) {
        steps += 1
        tokens += progress.tokens
        seconds += progress.stepSeconds
        computeSeconds += progress.computeSeconds
        exchangeSeconds += progress.exchangeSeconds
        wireBytes += progress.wireBytes
        rawBytes += progress.rawBytes
        if progress.isSkipped {
            skippedSteps += 1
            return
        }
        if lastLosses.count == 50 { lastLosses.removeFirst() }
        lastLosses.append(progress.loss)
    }
}
