import ArgumentParser

/// How text is generated; always greedily.
struct GenerationOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Longest answer (default: 256).", valueName: "tokens"), transform: OptionValue.positive)
    var maxNewTokens = 256
}

/// How many rows are computed at once.
struct BatchSizeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Rows computed at once (default: 4 in training, 16 in generation).", valueName: "rows"),
        transform: OptionValue.positive)
    var batch: Int?
}
