import ArgumentParser

/// Which rows, and how they are prepared.
struct DataOptions: ParsableArguments {
    static let dataHelp = ArgumentHelp(
        "JSON lines with prompt and completion, messages, text and label, or text; or a folder with train.jsonl and test.jsonl.",
        valueName: "path")

    @Option(name: .shortAndLong, help: DataOptions.dataHelp)
    var data: String

    @Option(help: ArgumentHelp("Use only the first rows.", valueName: "rows"), transform: OptionValue.positive)
    var limit: Int?

    @Option(
        help: ArgumentHelp(
            "Longest row; longer prompts lose their beginning (default: the model's context).", valueName: "tokens"),
        transform: OptionValue.positive)
    var maxLength: Int?

    @Option(
        help: ArgumentHelp("Other names of keys in the file: prompt=question,completion=answer.", valueName: "key=name")
    )
    var field: String?

    @Flag(help: "Leave rows out that cannot be used, and count them, instead of refusing the file.")
    var skipBadRows = false

    /// `--field` as a dictionary: the known key → its name in the file.
    func fields() throws(CommandError) -> [String: String] {
        var fields: [String: String] = [:]
        for pair in field?.split(separator: ",", omittingEmptySubsequences: false) ?? [] {
            let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, Self.keys.contains(parts[0]), fields[parts[0]] == nil else {
                throw CommandError(
                    "--field", found: "\"\(pair)\"",
                    expected: "KEY=NAME with KEY one of \(Self.keys.joined(separator: ", "))",
                    hint: "for example --field prompt=question,completion=answer")
            }
            fields[parts[0]] = parts[1]
        }
        return fields
    }

    private static let keys = ["prompt", "completion", "messages", "text", "label"]
}

/// How many rows are computed together.
struct BatchSizes: ParsableArguments {
    @Option(
        help: ArgumentHelp("Rows per step, over all ranks (default: 16).", valueName: "rows"),
        transform: OptionValue.positive)
    var globalBatch = 16

    @Option(
        help: ArgumentHelp("Rows a rank computes at once (default: 4).", valueName: "rows"),
        transform: OptionValue.positive)
    var microBatch = 4

    func validate() throws {
        guard microBatch <= globalBatch else {
            throw ValidationError(
                "--micro-batch \(microBatch) is more than --global-batch \(globalBatch), which is cut into them"
            )
        }
    }
}

/// How rows are cut into batches. What a run computes depends on these, never on the number of ranks.
struct BatchOptions: ParsableArguments {
    @OptionGroup var sizes: BatchSizes

    @Option(
        help: ArgumentHelp("Decides the order of the rows and all that is random (default: 1).", valueName: "n"),
        transform: OptionValue.seed)
    var seed: UInt64 = 1

    var globalBatch: Int { sizes.globalBatch }
    var microBatch: Int { sizes.microBatch }
}
