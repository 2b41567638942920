import ArgumentParser
import Datasets
import Evaluation
import Reporting

struct Evaluate: SessionCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure a model on rows it was not trained on.",
        discussion: """
            BLEU and chrF are sacreBLEU's, rouge gives ROUGE-1, -2 and -L as rouge-score does, and exact-match the \
            share of answers that are right to the letter: all of greedily generated answers. accuracy is the share \
            of rows whose label is the likeliest of all labels in the data; perplexity is of the rows' completions. \
            The figures do not depend on the number of ranks.

              neft evaluate -m MODEL -d test.jsonl
              neft evaluate -m MODEL --adapter RUN/final -d test.jsonl --samples 3
              neft evaluate -m MODEL --adapter RUN/final -d test.jsonl --json > RUN/evaluation.json

            neft report shows what the file of the last example holds.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Model") var template: TemplateOptions
    @OptionGroup(title: "Model") var adapter: AdapterOptions
    @OptionGroup(title: "Data") var data: DataOptions
    @OptionGroup(title: "Generation") var generation: GenerationOptions
    @OptionGroup(title: "Generation") var batch: BatchSizeOptions
    @OptionGroup(title: "Evaluation") var evaluation: EvaluationOptions
    @OptionGroup(title: "General") var common: CommonOptions

    func validate() throws {
        if evaluation.samples > 0, !evaluation.metrics.contains(where: \.needsGeneration) {
            throw ValidationError("--samples needs generated text: add bleu, chrf, rouge or exact-match to --metrics")
        }
    }

    private static let defaultBatch = 16

    var dependentDefaults: [String: String] { ["batch": "\(Self.defaultBatch)"] }

    func run(in session: Session) throws {
        let work = try Workload(
            model: model, template: template, adapter: adapter.adapter, data: data, split: "test", in: session)
        let evaluator = Evaluator(
            model: work.loaded.model, communicator: session.communicator,
            options: .init(
                batchRows: batch.batch ?? Self.defaultBatch, maxNewTokens: generation.maxNewTokens,
                endTokens: work.loaded.endTokens))
        let rows = work.dataset.rows.map { EvaluationRow($0, file: work.dataset.file) }
        let result = try session.together { () throws(EvaluationError) in
            try evaluator.evaluate(rows, metrics: evaluation.metrics, decode: { work.loaded.tokenizer.decode($0) }) {
                session.console.progress($0.phase.label, done: $0.done, total: $0.total)
            }
        }
        if common.json {
            session.console.result(json(result, work))
        } else {
            show(result, on: session.console)
        }
    }

    private func json(_ result: EvaluationResult, _ work: Workload) -> JSONValue {
        var members = result.figures.map { JSONValue.Member($0.name, .double($0.value)) }
        members += [.init("rows", .int(result.rows)), .init("targetTokens", .int(result.targetTokens))]
        members += [
            .init("data", .string(work.dataset.file)), .init("dataHash", .string(work.dataHash)),
            .init("adapter", adapter.adapter.map { .string($0) } ?? nil),
        ]
        if let cut = result.cutOutputs { members.append(.init("cutOutputs", .int(cut))) }
        if evaluation.samples > 0 {
            let samples = result.samples.prefix(evaluation.samples).map { sample -> JSONValue in
                [
                    "prompt": .string(sample.prompt), "reference": .string(sample.reference),
                    "output": .string(sample.output),
                ]
            }
            members.append(.init("samples", .array(samples)))
        }
        return .object(members)
    }

    private func show(_ result: EvaluationResult, on console: Console) {
        for sample in result.samples.prefix(evaluation.samples) {
            console.result("prompt     \(sample.prompt)\nreference  \(sample.reference)\nanswer     \(sample.output)\n")
        }
        if let bleu = result.bleu { console.result("BLEU \(bleu.rounded(to: 2))") }
        if let chrf = result.chrf { console.result("chrF \(chrf.rounded(to: 2))") }
        if let rouge = result.rouge {
            let figures = [rouge.one, rouge.two, rouge.longest].map { "\($0.rounded(to: 2))" }
            console.result("ROUGE-1 \(figures[0]), ROUGE-2 \(figures[1]), ROUGE-L \(figures[2])")
        }
        if let accuracy = result.accuracy { console.result("accuracy \(accuracy.rounded(to: 2))%") }
        if let exact = result.exactMatch { console.result("exact match \(exact.rounded(to: 2))%") }
        if let perplexity = result.perplexity, let loss = result.loss {
            console.result("perplexity \(perplexity.rounded(to: 4)), loss \(loss.rounded(to: 5))")
        }
        var counts = "\(result.rows) rows"
        if result.targetTokens > 0 { counts += ", \(result.targetTokens) target tokens" }
        if let cut = result.cutOutputs, cut > 0 {
            counts += ", \(cut) answers as long as --max-new-tokens allows: most likely cut off"
        }
        console.result(counts)
    }
}

struct EvaluationOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "What to measure: bleu, chrf, rouge, accuracy, exact-match, perplexity (default: bleu,chrf,perplexity).",
            valueName: "list"),
        transform: Self.parse)
    var metrics = Metric.standard

    @Option(
        help: ArgumentHelp("Show this many answers (default: none).", valueName: "n"),
        transform: OptionValue.nonNegative)
    var samples = 0

    static func parse(_ list: String) throws(OptionValueError) -> [Metric] {
        do throws(EvaluationError) {
            return try Metric.parse(list)
        } catch {
            throw OptionValueError(error.expected)
        }
    }
}

extension EvaluationProgress.Phase {
    /// What is being done to the rows, for a progress bar.
    var label: String {
        switch self {
        case .loss: "measuring loss, row"
        case .classes: "weighing labels, row"
        case .generation: "generating, row"
        case .activations: "watching neurons, row"
        }
    }
}

extension EvaluationRow {
    init(_ row: EncodedRow, file: String) {
        self.init(
            origin: "\(file):\(row.line)", prompt: row.prompt,
            promptTokens: Array(row.tokens.prefix(row.promptTokenCount)),
            reference: row.completion, tokens: row.tokens, isTarget: row.isTarget)
    }
}

extension Double {
    fileprivate func rounded(to digits: Int) -> Double {
        let scale = (0..<digits).reduce(1.0) { scale, _ in scale * 10 }
        return (self * scale).rounded() / scale
    }
}
