import ArgumentParser
import Neurons

/// How many neurons are taken.
struct TopOptions: ParsableArguments {
    /// What `--top` means when it is not given.
    static let defaultTop = "6%"

    @Option(
        help: ArgumentHelp("Share of the neurons to train, as 6% or 0.06 (default: 6%).", valueName: "share"),
        transform: Share.init)
    var top: Share?

    func share() throws -> Share { try top ?? Share(Self.defaultTop) }
}

/// From which group of neurons they are taken.
struct ScopeOptions: ParsableArguments {
    @Option(help: "Take the share of the whole model, of each layer or of each projection (default: global).")
    var scope: SelectionScope?
}

extension SelectionScope: ExpressibleByArgument {}
