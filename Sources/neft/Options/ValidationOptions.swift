import ArgumentParser
import Datasets

/// Measurements on rows that are not trained on.
struct ValidationOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Measure the loss on these rows during training (default: valid.jsonl where --data is a folder that has it).",
            valueName: "path"), completion: .file())
    var evalData: String?

    @Option(
        help: ArgumentHelp("Steps between two measurements; 0: none (default: once per epoch).", valueName: "steps"),
        transform: OptionValue.nonNegative)
    var evalEvery: Int?

    @Option(
        help: ArgumentHelp(
            "End the run after so many measurements in a row without a new lowest loss.", valueName: "n"),
        transform: OptionValue.positive)
    var earlyStopping: Int?

    @Flag(help: "Let final/ hold the rows of the lowest loss measured, not the last ones.")
    var keepBest = false

    func validate() throws {
        guard evalEvery == 0 else { return }
        let needing = [("--early-stopping", earlyStopping != nil), ("--keep-best", keepBest)]
        if let option = needing.first(where: \.1)?.0 {
            throw ValidationError("\(option) needs measurements, and --eval-every 0 asks for none")
        }
    }

    /// The file to measure on; nil for none.
    func file(data: String) throws -> String? {
        guard evalEvery != 0 else { return nil }
        if let evalData { return try Dataset.resolve(evalData, split: "valid") }
        if let file = Dataset.find("valid", in: data) { return file }
        let given = [
            ("--early-stopping", earlyStopping != nil), ("--keep-best", keepBest), ("--eval-every", evalEvery != nil),
        ]
        if let option = given.first(where: \.1)?.0 {
            throw CommandError(
                option, found: "no rows to measure on", expected: "--eval-data, or a folder with valid.jsonl as --data",
                hint: "give some rows that are not trained on")
        }
        return nil
    }
}
