import ArgumentParser
import Datasets
import Reporting
import Tokenization
import Training

struct Preview: SessionCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show what the model will be trained on.",
        discussion: """
            Shows rows as the model sees them, with the part it learns marked, and counts all rows. The form of the rows \
            is recognised by their keys:

              prompt, completion           strings or lists of messages; the loss is on the completion
              messages                     role and content; the loss is on what the assistant says
              conversations                from and value (ShareGPT); the loss is on what gpt says
              instruction, input, output   Alpaca; the loss is on the output
              text, label                  the loss is on the label
              text                         the loss is on all of it

              neft preview -m MODEL -d train.jsonl
              neft preview -m MODEL -d train.jsonl --field prompt=question --field completion=answer
              neft preview -m MODEL -d train.jsonl --color always | less -R
              neft preview -m MODEL -d train.jsonl --json    # token ids, loss mask
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Model") var template: TemplateOptions
    @OptionGroup(title: "Data") var data: DataOptions
    @OptionGroup(title: "Batches") var batches: BatchOptions
    @OptionGroup(title: "Preview") var preview: PreviewOptions
    @OptionGroup(title: "General") var common: CommonOptions

    func run(in session: Session) throws {
        let work = try Workload(model: model, template: template, data: data, split: "train", in: session)
        let dataset = work.dataset
        let sampler = Sampler(
            dataset.rows, seed: batches.seed, globalBatch: batches.globalBatch, microBatch: batches.microBatch)
        let steps = (0..<preview.batches).map { sampler.batch(at: $0) }
        if common.json {
            session.console.result(json(dataset, steps: steps))
        } else {
            show(dataset, tokenizer: work.loaded.tokenizer, steps: steps, on: session.console)
        }
    }

    private func longest(_ dataset: Dataset) -> Int { dataset.rows.map(\.tokens.count).max() ?? 0 }

    private func json(_ dataset: Dataset, steps: [Sampler.Batch]) -> JSONValue {
        let rows = dataset.rows.map { row -> JSONValue in
            [
                "line": .int(row.line), "tokens": .array(row.tokens.map { .int(Int($0)) }),
                "lossMask": .array(row.isTarget.map { .int($0 ? 1 : 0) }),
            ]
        }
        let members: [JSONValue.Member] = [
            .init("file", .string(dataset.file)), .init("format", .string(dataset.format.rawValue)),
            .init("rowCount", .int(dataset.rows.count)),
            .init("tokenCount", .int(dataset.tokenCount)), .init("targetTokens", .int(dataset.targetCount)),
            .init("longestRow", .int(longest(dataset))), .init("cutRows", .int(dataset.cutPromptCount)),
            .init("skippedRows", .int(dataset.skippedCount)), .init("lengths", lengths(dataset)),
            .init("rows", .array(rows)),
        ]
        let batches = steps.map { step -> JSONValue in
            [
                "microBatches": .array(step.microBatches.map { .array($0.map { .int($0) }) }),
                "tokens": .int(step.tokenCount), "targetTokens": .int(step.targetCount),
            ]
        }
        return .object(steps.isEmpty ? members : members + [.init("steps", .array(batches))])
    }

    private func lengths(_ dataset: Dataset) -> JSONValue {
        .array(
            LengthHistogram(dataset.rows).bins.map {
                [
                    "from": .int($0.lengths.lowerBound), "to": .int($0.lengths.upperBound), "rows": .int($0.rows),
                ]
            })
    }

    /// Lines of a bar chart.
    private func chart(_ histogram: LengthHistogram) -> [String] {
        let most = histogram.bins.map(\.rows).max() ?? 1
        let digits = String(histogram.bins.last?.lengths.upperBound ?? 0).count
        func padded(_ number: Int) -> String {
            let text = String(number)
            return String(repeating: " ", count: max(0, digits - text.count)) + text
        }
        return histogram.bins.map { bin in
            // Full blocks, and one that is partly filled: eighths of a column.
            let eighths = (bin.rows * 40 * 8 + most - 1) / most
            let bar = String(repeating: "█", count: eighths / 8) + ["", "▏", "▎", "▍", "▌", "▋", "▊", "▉"][eighths % 8]
            return "\(padded(bin.lengths.lowerBound))–\(padded(bin.lengths.upperBound)) tokens  \(bar) \(bin.rows)"
        }
    }

    private func show(_ dataset: Dataset, tokenizer: Tokenizer, steps: [Sampler.Batch], on console: Console) {
        let renderer = RowRenderer(tokenizer: tokenizer, hasColours: preview.color.isOn(console))
        for row in dataset.rows.prefix(preview.show) {
            console.result(
                "--- \(dataset.file):\(row.line): \(row.tokens.count) tokens, \(row.targetCount) of them learned")
            console.result(renderer.render(row))
        }
        for (number, step) in steps.enumerated() {
            let rows = step.microBatches.map { $0.map(String.init).joined(separator: " ") }.joined(separator: " | ")
            console.result("--- step \(number + 1): rows \(rows)")
        }
        console.result("--- lengths of the rows")
        chart(LengthHistogram(dataset.rows)).forEach(console.result)
        console.result(
            """
            --- \(Figures.count(dataset.rows.count, "row")) (\(dataset.format.rawValue)), \(dataset.tokenCount) tokens, \(dataset.targetCount) of them learned
            longest row \(longest(dataset)) tokens, \(Figures.count(dataset.cutPromptCount, "row")) cut, \
            \(Figures.count(dataset.skippedCount, "row")) left out
            """)
    }
}

struct PreviewOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Show the first rows (default: 3; with --json always all).", valueName: "rows"),
        transform: OptionValue.positive)
    var show = 3

    @Option(help: "Whether tokens are coloured: on a terminal, always or never.")
    var color = ColorChoice.auto

    @Option(
        help: ArgumentHelp("Also list the rows of the first steps, counted from 0.", valueName: "steps"),
        transform: OptionValue.nonNegative)
    var batches = 0
}

/// What `--color` says.
enum ColorChoice: String, CaseIterable, ExpressibleByArgument {
    case auto, always, never

    func isOn(_ console: Console) -> Bool { self == .always || (self == .auto && console.hasColours) }
}
