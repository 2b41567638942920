import ArgumentParser
import Evaluation
import Reporting

struct Sparsity: SessionCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say what share of the feed-forward neurons is inactive on data.",
        usage: "neft sparsity [<trained> ...] --model <path> --data <path> [<options>]",
        discussion: """
            A neuron is inactive at a token where the magnitude of its gate after SiLU is below --threshold. Measured \
            of the untrained model and of all that is given, by layer; with three or more of them, beside the \
            correlation of the share with the figures of --against.

              neft sparsity -m MODEL -d test.jsonl
              neft sparsity -m MODEL -d test.jsonl RUN/checkpoint-* RUN/final \\
                --against chrf,perplexity --json > RUN/sparsity.json

            neft report shows what that file holds. The checkpoints of a run stay with train --save-every 20 --keep 99.
            """)

    @Argument(
        help: ArgumentHelp("What training made of the model: RUN/final, or checkpoints.", valueName: "trained"),
        completion: .file())
    var trained: [String] = []

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Model") var template: TemplateOptions
    @OptionGroup(title: "Data") var data: DataOptions
    @OptionGroup(title: "Sparsity") var settings: SparsityOptions
    @OptionGroup(title: "Generation") var generation: GenerationOptions
    @OptionGroup(title: "Generation") var batch: BatchSizeOptions
    @OptionGroup(title: "General") var common: CommonOptions

    /// What was measured of the untrained model (nil) or of what training made of it.
    private struct State {
        let adapter: String?
        let sparsity: ActivationSparsity
        let figures: [(name: String, value: Double)]
    }

    private static let defaultBatch = 16

    var dependentDefaults: [String: String] { ["batch": "\(Self.defaultBatch)"] }

    func run(in session: Session) throws {
        // What is missing is missed before anything is measured.
        try session.agree { for path in trained { try LoadedModel.requireAdapter(path) } }
        let work = try Workload(model: model, template: template, data: data, split: "test", in: session)
        let rows = work.dataset.rows.map { EvaluationRow($0, file: work.dataset.file) }
        var states = [try measure(work.loaded, nil, rows, in: session)]
        for path in trained {
            let loaded = try session.agree {
                try LoadedModel(
                    model, templateName: template.chatTemplate, adapter: path, threads: work.loaded.team.threads,
                    compute: work.loaded.model.compute, warn: { _ in })
            }
            states.append(try measure(loaded, path, rows, in: session))
        }
        let shares = states.map(\.sparsity.share)
        let correlations = states[0].figures.indices.compactMap { index in
            Correlation(shares, states.map { $0.figures[index].value }).map { (states[0].figures[index].name, $0) }
        }
        guard common.json else { return show(states, correlations, on: session.console) }
        session.console.result([
            "threshold": .double(settings.threshold), "data": .string(work.dataset.file),
            "dataHash": .string(work.dataHash), "rows": .int(rows.count), "tokens": .int(states[0].sparsity.tokens),
            "neurons": .int(states[0].sparsity.neurons), "states": .array(states.map(json)),
            "correlations": .object(
                correlations.map {
                    .init($0.0, ["pearson": .double($0.1.pearson), "spearman": .double($0.1.spearman)])
                }),
        ])
    }

    /// Collective.
    private func measure(
        _ loaded: LoadedModel, _ adapter: String?, _ rows: [EvaluationRow], in session: Session
    ) throws -> State {
        let evaluator = Evaluator(
            model: loaded.model, communicator: session.communicator,
            options: .init(
                batchRows: batch.batch ?? Self.defaultBatch, maxNewTokens: generation.maxNewTokens,
                endTokens: loaded.endTokens))
        return try session.together { () throws(EvaluationError) in
            let show = { (progress: EvaluationProgress) in
                session.console.progress(
                    "\(adapter ?? "untrained"): \(progress.phase.label)", done: progress.done, total: progress.total)
            }
            let sparsity = try evaluator.sparsity(
                rows, threshold: Float(settings.threshold), team: loaded.team, progress: show)
            let result = try evaluator.evaluate(
                rows, metrics: settings.against, decode: { loaded.tokenizer.decode($0) }, progress: show)
            return State(adapter: adapter, sparsity: sparsity, figures: result.figures)
        }
    }

    private func json(_ state: State) -> JSONValue {
        let sparsity = state.sparsity
        return [
            "adapter": state.adapter.map { .string($0) } ?? nil, "sparsity": .double(sparsity.share),
            "silentNeurons": .int(sparsity.silentNeurons),
            "layers": .array(sparsity.layers.indices.map { .double(sparsity.share(ofLayer: $0)) }),
            "silentNeuronsByLayer": .array(sparsity.layers.map { .int($0.silentNeurons) }),
            "figures": .object(state.figures.map { .init($0.name, .double($0.value)) }),
        ]
    }

    private func show(_ states: [State], _ correlations: [(String, Correlation)], on console: Console) {
        func percent(_ share: Double) -> String { "\(Figures.short(share * 100))%" }
        for state in states {
            let figures = state.figures.map { ", \($0.name) \(Figures.short($0.value))" }.joined()
            console.result(
                "\(state.adapter ?? "untrained"): \(percent(state.sparsity.share)) inactive, "
                    + "\(state.sparsity.silentNeurons) of \(state.sparsity.neurons) neurons at every token\(figures)")
        }
        for layer in states[0].sparsity.layers.indices {
            console.result(
                "layer \(layer): "
                    + states.map { percent($0.sparsity.share(ofLayer: layer)) }.joined(separator: ", "))
        }
        for (name, correlation) in correlations {
            console.result(
                "sparsity and \(name) of \(states.count) models: Pearson \(Figures.short(correlation.pearson)), "
                    + "Spearman \(Figures.short(correlation.spearman))")
        }
    }
}

struct SparsityOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Below this magnitude a neuron is inactive (default: 0.1).", valueName: "magnitude"),
        transform: OptionValue.positiveNumber)
    var threshold = 0.1

    @Option(
        help: ArgumentHelp(
            "Figures to compare with: bleu, chrf, rouge, accuracy, exact-match, perplexity (default: perplexity).",
            valueName: "list"),
        transform: EvaluationOptions.parse)
    var against: [Metric] = [.perplexity]
}
