import ArgumentParser
import Training

/// What is trained.
struct MethodOptions: ParsableArguments {
    @Option(help: "Train the selected neurons, every weight, every row of the seven projections, or LoRA on them.")
    var method = TrainingMethod.neft
}

extension TrainingMethod: ExpressibleByArgument {}
