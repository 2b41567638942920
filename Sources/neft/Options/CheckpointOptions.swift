import ArgumentParser

/// When a run's state is saved, and what it goes on from.
struct CheckpointOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Save a checkpoint after every so many steps; 0: only when the run is stopped (default: 100).",
            valueName: "steps"),
        transform: OptionValue.nonNegative)
    var saveEvery = 100

    @Option(
        help: ArgumentHelp("Checkpoints that stay, the newest (default: 2).", valueName: "n"),
        transform: OptionValue.positive)
    var keep = 2

    @Option(
        help: ArgumentHelp(
            "Go on from a checkpoint; auto: the newest whole one in --output, or from the beginning if there is none.",
            valueName: "auto|path"), completion: .file())
    var resume: String?

    @Option(
        help: ArgumentHelp(
            "Steps with a gradient that is not finite that are left out before the run ends (default: 0).",
            valueName: "n"),
        transform: OptionValue.nonNegative)
    var maxBadSteps = 0
}
