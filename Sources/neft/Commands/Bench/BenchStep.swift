import ArgumentParser
import Datasets
import Models
import Neurons
import Reporting
import Training

struct BenchStep: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "step",
        abstract: "Time training steps.",
        usage: "[mpirun -n <ranks>] neft bench step [<options>] --model <model>",
        discussion: """
            Rows of random tokens, all in the loss; or with --data real rows, their completions in the loss. The \
            neurons are random (seed 1), the same share of every layer. After each step its matrix products are run \
            again alone: the time no step can go below on this machine. On several ranks each computes its part of the \
            micro-batches, and a step ends when all have the new weights.

              neft bench step -m MODEL --top 6% --batch 4 --length 256
              mpirun -n 2 neft bench step -m MODEL --top 6% --batch 4 --micro-batches 2
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
        let microBatches = rows.microBatches ?? session.communicator.size
        let (loaded, trained, batches) = try session.agree { () -> (LoadedModel, TrainableRows, any TrainingData) in
            let loaded = try LoadedModel(
                model, templateName: rows.data == nil ? "none" : nil, threads: threads, compute: compute,
                warn: session.warnOfHost)
            loaded.model.recomputes = memory.recompute
            return (loaded, try trainable(in: loaded.model), try data(for: loaded, microBatches: microBatches))
        }
        let benchmark = StepBenchmark(
            model: loaded.model, trainable: trained, communicator: session.communicator, team: loaded.team)
        session.console.progress("timing, step", done: 0, total: rows.warmupSteps + rows.timedSteps)
        let result = try session.trainingStep {
            try benchmark.run(data: batches, warmup: rows.warmupSteps, steps: rows.timedSteps) { step, total in
                session.console.progress("timing, step", done: step, total: total)
            }
        }
        let heldMiB = session.heldMiB()
        if common.json {
            session.console.result([
                "tokensPerSecond": .double(result.tokensPerSecond), "stepSeconds": .double(result.stepSeconds),
                "gemmSeconds": .double(result.gemmSeconds), "gemmShare": .double(result.gemmShare),
                "gemmGigaflop": .double(result.gemmGigaflop), "peakMiB": .double(ProcessStatus.peakMiB),
                "heldMiB": .double(heldMiB),
                "tokens": .int(result.tokens), "targetTokens": .int(result.targetTokens),
                "compute": .string(compute.rawValue), "trainedParameters": .int(result.trainedParameters),
                "threads": .int(result.threads), "ranks": .int(result.ranks),
                "steps": .int(result.steps),
            ])
        } else {
            let ranks = result.ranks > 1 ? "\(result.ranks) ranks of " : ""
            session.console.result(
                """
                \(Int(result.tokensPerSecond.rounded())) tokens/s on \(ranks)\(result.threads) threads in \(compute.rawValue)
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

    private func data(for loaded: LoadedModel, microBatches: Int) throws -> any TrainingData {
        let batch = batch.batch ?? 4
        let context = loaded.model.contextLength
        if let path = rows.data {
            let dataset = try Dataset.load(
                try Dataset.resolve(path, split: "train"), tokenizer: loaded.tokenizer,
                options: DatasetOptions(maxLength: context, chatTemplate: loaded.template))
            return SampledRows(dataset.rows, seed: 1, globalBatch: batch * microBatches, microBatch: batch)
        }
        let length = rows.length ?? 256
        guard length <= context else {
            throw CommandError(
                "--length", found: "\(length)", expected: "at most \(context), the model's context", hint: "lower it")
        }
        return RepeatedBatch(
            PackedBatch.random(rows: batch, length: length, vocabulary: loaded.model.vocabularySize, seed: 1),
            microBatches: microBatches)
    }
}

struct BenchRowOptions: ParsableArguments {
    @Option(name: .shortAndLong, help: DataOptions.dataHelp, completion: .file())
    var data: String?

    @Option(
        help: ArgumentHelp("Micro-batches of a step, over all ranks (default: one per rank).", valueName: "n"),
        transform: OptionValue.positive)
    var microBatches: Int?

    @Option(
        help: ArgumentHelp("Tokens of a random row (default: 256).", valueName: "tokens"),
        transform: OptionValue.positive)
    var length: Int?

    @Option(
        help: ArgumentHelp("Steps to time (default: 5).", valueName: "n"),
        transform: OptionValue.positive)
    var timedSteps = 5

    @Option(
        help: ArgumentHelp("Steps before those that are timed (default: 2).", valueName: "n"),
        transform: OptionValue.nonNegative)
    var warmupSteps = 2
}
