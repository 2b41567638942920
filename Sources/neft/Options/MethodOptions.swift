import ArgumentParser
import Training

/// What is trained.
struct MethodOptions: ParsableArguments {
    @Option(help: "Train the selected neurons, every weight, or every row of the seven projections.")
    var method = TrainingMethod.neft
}

extension TrainingMethod: ExpressibleByArgument {}
