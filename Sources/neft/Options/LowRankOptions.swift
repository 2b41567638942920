import ArgumentParser
import Models
import Training

/// The shape of LoRA.
struct LowRankOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Rank of the factors (default: 16).", valueName: "n"), transform: OptionValue.positive)
    var loraRank: Int?

    @Option(
        help: ArgumentHelp("Their product counts alpha / rank (default: twice the rank).", valueName: "number"),
        transform: OptionValue.positiveNumber)
    var loraAlpha: Double?

    @Option(
        help: ArgumentHelp("Share of the inputs that are dropped in training (default: 0).", valueName: "share"),
        transform: { text throws in
            guard let share = Double(text), share >= 0, share < 1 else {
                throw OptionValueError("a share of 0 or more and below 1")
            }
            return share
        })
    var loraDropout: Double?

    @Option(
        help: ArgumentHelp(
            "Choose the rank that trains as many parameters as this share of the neurons does, as 6% or 0.06.",
            valueName: "share"),
        transform: Share.init)
    var match: Share?

    private var given: String? {
        [
            ("--lora-rank", loraRank != nil), ("--lora-alpha", loraAlpha != nil),
            ("--lora-dropout", loraDropout != nil),
            ("--match", match != nil),
        ].first(where: \.1)?.0
    }

    /// Refuses what does not go together.
    func validate(method: TrainingMethod) throws {
        if method != .lora, let given {
            throw ValidationError(
                "\(given) has no meaning with --method \(method.rawValue); it belongs to --method lora")
        }
        if loraRank != nil, match != nil {
            throw ValidationError("--lora-rank and --match exclude each other: --match chooses the rank")
        }
    }

    /// - Throws: for a rank that a projection of the model cannot have.
    func configuration(for c: DecoderConfiguration) throws -> LowRankConfiguration {
        let most = Projection.allCases.flatMap { c.shape(of: $0) }.min() ?? 1
        var rank = loraRank ?? 16
        if let match {
            let wanted = Double(CostModel.projectionValues(c)) * match.fraction
            rank = max(1, Int((wanted / Double(LowRankConfiguration.valuesPerRank(c))).rounded()))
        }
        guard rank <= most else {
            throw CommandError(
                match == nil ? "--lora-rank" : "--match", found: "rank \(rank)",
                expected: "at most \(most), the smallest side of a projection", hint: "lower it")
        }
        return LowRankConfiguration(rank: rank, alpha: loraAlpha ?? 2 * Double(rank), dropout: loraDropout ?? 0)
    }
}
