import ArgumentParser
import Datasets

/// Which rows, and how they are prepared.
struct DataOptions: ParsableArguments {
    static let dataHelp = ArgumentHelp(
        "Rows as JSON lines or one JSON array, in a form that is recognised (see neft preview --help); or a folder with train.jsonl, valid.jsonl and test.jsonl.",
        valueName: "path")

    @Option(name: .shortAndLong, help: DataOptions.dataHelp, completion: .file())
    var data: String

    @Option(help: ArgumentHelp("Use only the first rows.", valueName: "rows"), transform: OptionValue.positive)
    var limit: Int?

    @Option(
        help: ArgumentHelp(
            "Longest row; longer prompts lose their beginning (default: the model's context).", valueName: "tokens"),
        transform: OptionValue.positive)
    var maxLength: Int?

    @Option(
        help: ArgumentHelp(
            "Another name of a key in the file: --field prompt=question --field completion=answer.",
            valueName: "key=name"))
    var field: [String] = []

    @Flag(help: "Leave rows out that cannot be used, and count them, instead of refusing the file.")
    var skipBadRows = false

    func validate() throws { try OptionValue.requirePath(data, "--data", "a file or folder with rows") }

    /// `--field` as a dictionary: the known key → its name in the file. Several may stand together, with commas.
    func fields() throws(CommandError) -> [String: String] {
        var fields: [String: String] = [:]
        for pair in field.flatMap({ $0.split(separator: ",", omittingEmptySubsequences: false) }) {
            let parts = pair.split(separator: "=", maxSplits: 1).map(String.init)
            guard parts.count == 2, RowFormat.knownKeys.contains(parts[0]), fields[parts[0]] == nil else {
                let isReversed = parts.count == 2 && RowFormat.knownKeys.contains(parts[1])
                throw CommandError(
                    "--field", found: "\"\(pair)\"",
                    expected: "KEY=NAME, each KEY once and one of \(RowFormat.knownKeys.joined(separator: ", "))",
                    hint: isReversed && !RowFormat.knownKeys.contains(parts[0])
                        ? "did you mean --field \(parts[1])=\(parts[0])?"
                        : "for example --field prompt=question --field completion=answer")
            }
            fields[parts[0]] = parts[1]
        }
        return fields
    }
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
    @OptionGroup var random: SeedOptions

    var globalBatch: Int { sizes.globalBatch }
    var microBatch: Int { sizes.microBatch }
    var seed: UInt64 { random.seed }
}

/// What all that is random follows from.
struct SeedOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Decides the order of the rows and all that is random (default: 1).", valueName: "n"),
        transform: OptionValue.seed)
    var seed: UInt64 = 1
}
