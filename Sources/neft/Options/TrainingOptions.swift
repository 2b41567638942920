import ArgumentParser
import Training

/// How far weights move.
struct LearningRateOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Highest learning rate (default: 3e-3 for neft and lora, 1e-4 for full and linear).", valueName: "rate"),
        transform: OptionValue.positiveNumber)
    var learningRate: Double?
}

/// How weights are trained.
struct TrainingOptions: ParsableArguments {
    @Option(help: "How the learning rate falls.")
    var schedule = LearningRateSchedule.Shape.linear

    @Option(
        help: ArgumentHelp(
            "How long it rises first: a share of the steps or a number of them (default: 5%).", valueName: "5%|steps"),
        transform: WarmupOption.init)
    var warmup: WarmupOption?

    @Option(
        help: ArgumentHelp("Largest norm of a step's gradient; inf for no limit (default: 1).", valueName: "norm"),
        transform: OptionValue.positiveOrInfinite)
    var maxGradNorm = 1.0

    @Option(
        help: ArgumentHelp("Decoupled weight decay (default: 0).", valueName: "rate"),
        transform: OptionValue.nonNegativeNumber)
    var weightDecay = 0.0
}

/// How long training lasts.
struct LengthOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Passes over the rows (default: 1).", valueName: "n"), transform: OptionValue.positive)
    var epochs = 1

    @Option(help: ArgumentHelp("Stop after this many steps.", valueName: "n"), transform: OptionValue.positive)
    var maxSteps: Int?
}

extension LearningRateSchedule.Shape: ExpressibleByArgument {}
