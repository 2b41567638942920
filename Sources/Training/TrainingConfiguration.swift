import Collectives

/// What is trained.
public enum TrainingMethod: String, CaseIterable, Sendable {
    /// The selected neurons.
    case neft
    /// Every weight.
    case full
    /// Every row of the seven projections.
    case linear
    /// Two small factors beside each of the seven projections.
    case lora

    /// Fewer trained values bear larger steps.
    public var defaultLearningRate: Double {
        switch self {
        case .neft, .lora: 3e-3
        case .full, .linear: 1e-4
        }
    }
}

/// Everything that decides a run's result besides the model, the data and the neurons. The same on every rank.
public struct TrainingConfiguration: Equatable, Sendable {
    /// What is trained.
    public var method: TrainingMethod
    /// At the end of the warm-up.
    public var learningRate: Double
    /// How the learning rate falls.
    public var schedule = LearningRateSchedule.Shape.linear
    /// How long it rises first.
    public var warmup = Warmup.share(0.05)
    /// Passes over the data.
    public var epochs = 1
    /// Ends the run earlier than `epochs` would; the schedule then spans these steps.
    public var maxSteps: Int?
    /// The gradient is scaled down to this L2 norm; infinity: never.
    public var maxGradNorm = 1.0
    /// Decoupled, on every trained value.
    public var weightDecay = 0.0
    /// Steps with a gradient that is not finite that may be left out before the run ends.
    public var maxBadSteps = 0
    /// The ranks compare their weights after every so many steps, and at the end.
    public var replicaCheckInterval = 50
    /// How ranks exchange the trained rows.
    public var exchange = ExchangeOptions()

    /// The defaults of a method; `learningRate` nil for its own.
    public init(method: TrainingMethod, learningRate: Double? = nil) {
        self.method = method
        self.learningRate = learningRate ?? method.defaultLearningRate
    }

    /// Optimizer steps of the run.
    public func totalSteps(stepsPerEpoch: Int) -> Int {
        let (product, overflow) = epochs.multipliedReportingOverflow(by: stepsPerEpoch)
        return min(overflow ? Int.max : product, maxSteps ?? Int.max)
    }

    /// The options that change the result, by name: what two parts of a run have in common.
    public var resultFacts: [RunIdentity.Fact] {
        // Wires that lose nothing give the same bits.
        let isLossless = exchange.wire == .raw || exchange.wire == .exact
        return trainingOptions.map { .init($0.name, $0.value) }
            + [.init("--wire", isLossless ? "raw or exact" : exchange.wire.rawValue)]
    }

    /// Every option by name: what all ranks must agree on.
    var options: [(name: String, value: String)] {
        trainingOptions + [
            ("--max-bad-steps", "\(maxBadSteps)"), ("replica check interval", "\(replicaCheckInterval)"),
            ("--exchange", exchange.mode.rawValue), ("--wire", exchange.wire.rawValue),
            ("--codec", exchange.codec.rawValue), ("--hierarchy", exchange.hierarchy.rawValue),
        ]
    }

    private var trainingOptions: [(name: String, value: String)] {
        [
            ("--method", method.rawValue), ("--learning-rate", "\(learningRate)"), ("--schedule", schedule.rawValue),
            ("--warmup", "\(warmup)"), ("--epochs", "\(epochs)"), ("--max-steps", maxSteps.map { "\($0)" } ?? "none"),
            ("--max-grad-norm", "\(maxGradNorm)"), ("--weight-decay", "\(weightDecay)"),
        ]
    }

    /// Refuses values that cannot work, before anything is allocated.
    public func validate() throws(TrainingError) {
        try Self.require(
            learningRate > 0 && learningRate.isFinite, "--learning-rate", "\(learningRate)", "more than 0",
            "try \(method.defaultLearningRate)")
        try Self.require(epochs >= 1, "--epochs", "\(epochs)", "at least 1", "leave it out for one pass over the data")
        if let maxSteps {
            try Self.require(
                maxSteps >= 1, "--max-steps", "\(maxSteps)", "at least 1", "leave it out to train on all data")
        }
        try Self.require(
            maxGradNorm > 0, "--max-grad-norm", "\(maxGradNorm)", "more than 0",
            "1.0 is usual; inf switches clipping off")
        try Self.require(
            weightDecay >= 0 && weightDecay.isFinite, "--weight-decay", "\(weightDecay)", "0 or more", "0 is usual here"
        )
        precondition(
            replicaCheckInterval >= 1, "TrainingConfiguration: replica checks every \(replicaCheckInterval) steps")
        try Self.require(maxBadSteps >= 0, "--max-bad-steps", "\(maxBadSteps)", "0 or more", "0 stops at the first one")
        switch warmup {
        case .share(let share):
            try Self.require((0...1).contains(share), "--warmup", "\(share * 100)%", "0% to 100%", "5% is usual")
        case .steps(let steps):
            try Self.require(steps >= 0, "--warmup", "\(steps)", "0 steps or more", "5% is usual")
        }
    }

    private static func require(
        _ condition: Bool, _ subject: String, _ found: String, _ expected: String, _ hint: String
    ) throws(TrainingError) {
        if !condition { throw TrainingError(subject: subject, found: found, expected: expected, hint: hint) }
    }
}
