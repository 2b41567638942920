import ArgumentParser
import Datasets
import Models
import Neurons
import Reporting
import Training

struct BenchStep: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "step",
        abstract: "Time training steps on one rank.",
        usage: "neft bench step [<options>] --model <model>",
        discussion: """
            Rows of random tokens, all in the loss; or with --data real rows, their completions in the loss. The \
            neurons are random (seed 1), the same share of every layer. After each step its matrix products are run \
            again alone: the time no step can go below on this machine.

              neft bench step -m MODEL --top 6% --batch 4 --length 256
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Step") var method: MethodOptions
    @OptionGroup(title: "Step") var top: TopOptions
    @OptionGroup(title: "LoRA") var lora: LowRankOptions
    @OptionGroup(title: "Step") var batch: BatchSizeOptions
    @OptionGroup(title: "Step") var rows: BenchRowOptions
    @OptionGroup(title: "Step") var memory: RecomputeOptions
    @OptionGroup(title: "General") var common: CommonOptions

    func validate() throws {
        try lora.validate(method: method.method)
        if method.method != .neft, top.top != nil {
            throw ValidationError("--top has no meaning with --method \(method.method.rawValue), which trains all rows")
        }
        if rows.data != nil, rows.length != nil {
            throw ValidationError("--length has no meaning with --data, whose rows have their own")
        }
        guard rows.length ?? 2 >= 2 else { throw ValidationError("--length \(rows.length ?? 0): a row needs 2 tokens") }
    }

    func run(in session: Session) throws {
        let threads = session.threads(requested: model.threads)
        let compute = session.compute(requested: model.compute)
        let result = try session.agree {
            guard session.communicator.size == 1 else {
                throw CommandError(
                    "neft bench step", found: "\(session.communicator.size) ranks", expected: "one",
                    hint: "start it without mpirun")
            }
            let loaded = try LoadedModel(
                model, templateName: rows.data == nil ? "none" : nil, threads: threads, compute: compute)
            loaded.model.recomputes = memory.recompute
            let benchmark = StepBenchmark(
                model: loaded.model, trainable: try trainable(in: loaded.model), team: loaded.team)
            session.console.progress("timing, step", done: 0, total: rows.timedSteps + 2)
            return try benchmark.run(data: try data(for: loaded), steps: rows.timedSteps) { step, total in
                session.console.progress("timing, step", done: step, total: total)
            }
        }
        if common.json {
            session.console.result([
                "tokensPerSecond": .double(result.tokensPerSecond), "stepSeconds": .double(result.stepSeconds),
                "gemmSeconds": .double(result.gemmSeconds), "gemmShare": .double(result.gemmShare),
                "gemmGigaflop": .double(result.gemmGigaflop), "peakMiB": .double(ProcessStatus.peakMiB),
                "tokens": .int(result.tokens), "targetTokens": .int(result.targetTokens),
                "compute": .string(compute.rawValue), "trainedParameters": .int(result.trainedParameters),
                "threads": .int(result.threads),
                "steps": .int(result.steps),
            ])
        } else {
            session.console.result(
                """
                \(Int(result.tokensPerSecond.rounded())) tokens/s on \(result.threads) threads in \(compute.rawValue)
                \(result.tokens) tokens per step in \(Figures.short(result.stepSeconds)) s, \
                \(Figures.percent(result.gemmShare)) of it the time of its matrix products alone
                \(Human.count(result.trainedParameters)) trained parameters, \(Int(ProcessStatus.peakMiB)) MiB at most
                """)
        }
    }

    private func trainable(in model: Decoder) throws -> TrainableRows {
        switch method.method {
        case .full: return model.everyWeight
        case .lora:
            model.attach(try lora.configuration(for: model.configuration), seed: 1)
            return model.lowRankRows
        case .linear: return model.everyNeuron
        case .neft:
            let mask = try NeuronProfile.random(model: model, seed: 1, baseHash: "").select(
                share: try top.share().fraction, scope: .layer)
            return try mask.trainableRows(for: model, baseHash: "", file: "random neurons")
        }
    }

    private func data(for loaded: LoadedModel) throws -> any TrainingData {
        let batch = batch.batch ?? 4
        let context = loaded.model.contextLength
        if let path = rows.data {
            let dataset = try Dataset.load(
                try Dataset.resolve(path, split: "train"), tokenizer: loaded.tokenizer,
                options: DatasetOptions(maxLength: context, chatTemplate: loaded.template))
            return SampledRows(dataset.rows, seed: 1, globalBatch: batch, microBatch: batch)
        }
        let length = rows.length ?? 256
        guard length <= context else {
            throw CommandError(
                "--length", found: "\(length)", expected: "at most \(context), the model's context", hint: "lower it")
        }
        return RepeatedBatch(
            PackedBatch.random(rows: batch, length: length, vocabulary: loaded.model.vocabularySize, seed: 1))
    }
}

struct BenchRowOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: DataOptions.dataHelp)
    var data: String?

    @Option(
        help: ArgumentHelp("Tokens of a random row (default: 256).", valueName: "tokens"),
        transform: OptionValue.positive)
    var length: Int?

    @Option(
        help: ArgumentHelp("Steps to time, after two that are not (default: 5).", valueName: "n"),
        transform: OptionValue.positive)
    var timedSteps = 5
}
