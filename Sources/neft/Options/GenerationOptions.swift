import ArgumentParser
import Models

/// How long generated text may be.
struct GenerationOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Longest answer (default: 256).", valueName: "tokens"), transform: OptionValue.positive)
    var maxNewTokens = 256
}

/// How tokens are drawn; without a temperature the likeliest is taken.
struct SamplingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Draw tokens at random; below 1 likely ones are likelier, above 1 less so (default: the likeliest).",
            valueName: "t"),
        transform: OptionValue.nonNegativeNumber)
    var temperature: Double?

    @Option(
        help: ArgumentHelp(
            "Draw only from the likeliest tokens that have this share of the probability (default: 1).",
            valueName: "share"),
        transform: Share.init)
    var topP: Share?

    @Option(
        help: ArgumentHelp("Draw only from so many of the likeliest tokens (default: all).", valueName: "n"),
        transform: OptionValue.positive)
    var topK: Int?

    @OptionGroup var random: SeedOptions

    /// nil where the likeliest token is taken.
    var sampling: Sampling? {
        guard let temperature, temperature > 0 else { return nil }
        return Sampling(temperature: temperature, topP: topP?.fraction ?? 1, topK: topK, seed: random.seed)
    }

    func validate() throws {
        guard sampling == nil else { return }
        let given = [("--top-p", topP != nil), ("--top-k", topK != nil)]
        if let option = given.first(where: \.1)?.0 {
            throw ValidationError("\(option) is for tokens drawn at random: it needs a --temperature above 0")
        }
    }
}

/// How many rows are computed at once.
struct BatchSizeOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Rows computed at once (default: 4 in training, 16 in generation).", valueName: "rows"),
        transform: OptionValue.positive)
    var batch: Int?
}
