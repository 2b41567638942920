import ArgumentParser

/// Which rows, and how they are prepared.
struct DataOptions: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("Rows as JSON lines: prompt and completion, or messages.", valueName: "file"))
    var data: String

    @Option(help: ArgumentHelp("Use only the first rows.", valueName: "rows"), transform: OptionValue.positive)
    var limit: Int?

    @Option(
        help: ArgumentHelp(
            "Longest row; longer prompts lose their beginning (default: the model's context).", valueName: "tokens"),
        transform: OptionValue.positive)
    var maxLength: Int?

    @Flag(help: "Leave rows out that cannot be used, and count them, instead of refusing the file.")
    var skipBadRows = false
}

/// How rows are cut into batches. What a run computes depends on these, never on the number of ranks.
struct BatchOptions: ParsableArguments {
    @Option(help: ArgumentHelp("Rows per step, over all ranks.", valueName: "rows"), transform: OptionValue.positive)
    var globalBatch = 16

    @Option(
        help: ArgumentHelp("Rows computed at once; more need more memory.", valueName: "rows"),
        transform: OptionValue.positive)
    var microBatch = 4

    @Option(help: ArgumentHelp("Decides the order of the rows and everything random.", valueName: "n"), transform: OptionValue.seed)
    var seed: UInt64 = 1

    func validate() throws {
        guard microBatch <= globalBatch else {
            throw ValidationError(
                "--micro-batch \(microBatch) is more than --global-batch \(globalBatch): a step is cut into micro-batches")
        }
    }
}
