import ArgumentParser

/// How text is generated; always greedily.
struct GenerationOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Longest answer.", valueName: "tokens"), transform: OptionValue.positive)
    var maxNewTokens = 256
}
