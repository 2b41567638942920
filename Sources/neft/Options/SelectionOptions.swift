import ArgumentParser
import Neurons

/// Which neurons are taken from a profile.
struct SelectionOptions: ParsableArguments {
    /// What `--top` means when it is not given.
    static let defaultTop = "6%"

    @Option(
        help: ArgumentHelp("Share of the neurons to train, as 6% or 0.06 (default: 6%).", valueName: "share"),
        transform: Share.init)
    var top: Share?

    @Option(help: "Take the share of the whole model, of each layer or of each projection (default: global).")
    var scope: SelectionScope?

    func share() throws -> Share { try top ?? Share(Self.defaultTop) }
}

extension SelectionScope: ExpressibleByArgument {}
