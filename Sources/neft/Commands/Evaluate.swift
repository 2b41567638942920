import ArgumentParser
import Datasets
import Evaluation
import Reporting

struct Evaluate: SessionCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure a model on rows it was not trained on.",
        discussion: """
            BLEU and chrF are sacreBLEU's, of greedily generated answers; perplexity is of the rows' completions. The \
            figures do not depend on the number of ranks.

              neft evaluate -m MODEL -d test.jsonl
              neft evaluate -m MODEL --adapter RUN/final -d test.jsonl --samples 3
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
            throw ValidationError("--samples needs generated text: add bleu or chrf to --metrics")
        }
    }

    func run(in session: Session) throws {
        let work = try Workload(
            model: model, template: template, adapter: adapter.adapter, data: data, split: "test", in: session)
        let evaluator = Evaluator(
            model: work.loaded.model, communicator: session.communicator,
            options: .init(
                batchRows: batch.batch ?? 16, maxNewTokens: generation.maxNewTokens, endTokens: work.loaded.endTokens))
        let rows = work.dataset.rows.map { EvaluationRow($0, file: work.dataset.file) }
        let result = try session.together { () throws(EvaluationError) in
            try evaluator.evaluate(rows, metrics: evaluation.metrics, decode: { work.loaded.tokenizer.decode($0) }) {
                let label = $0.phase == .loss ? "measuring loss, row" : "generating, row"
                session.console.progress(label, done: $0.done, total: $0.total)
            }
        }
        if common.json {
            session.console.result(json(result))
        } else {
            show(result, on: session.console)
        }
    }

    private func json(_ result: EvaluationResult) -> JSONValue {
        var members: [JSONValue.Member] = []
        let figures = [
            ("bleu", result.bleu), ("chrf", result.chrf), ("perplexity", result.perplexity), ("loss", result.loss),
        ]
        for case (let name, let value?) in figures { members.append(.init(name, .double(value))) }
        members += [.init("rows", .int(result.rows)), .init("targetTokens", .int(result.targetTokens))]
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
        help: ArgumentHelp("What to measure: bleu, chrf, perplexity (default: all).", valueName: "list"),
        transform: Self.parse)
    var metrics = Metric.allCases

    @Option(
        help: ArgumentHelp("Show this many answers (default: none).", valueName: "n"),
        transform: OptionValue.nonNegative)
    var samples = 0

    private static func parse(_ list: String) throws(OptionValueError) -> [Metric] {
        do throws(EvaluationError) {
            return try Metric.parse(list)
        } catch {
            throw OptionValueError(error.expected)
        }
    }
}

extension EvaluationRow {
    fileprivate init(_ row: EncodedRow, file: String) {
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
