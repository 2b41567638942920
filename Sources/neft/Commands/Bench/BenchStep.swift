import ArgumentParser
import Models
import Neurons
import Reporting
import Training

struct BenchStep: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "step",
        abstract: "Time training steps.",
        discussion: """
            Each rank computes one micro-batch per step: rows of random tokens, all in the loss, or with --data real rows,
            their completions in the loss. The neurons are random (seed 1), the same share of every layer.

              neft bench step -m MODEL --top 6% --batch 4 --length 256
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Step") var method: MethodOptions
    @OptionGroup(title: "Step") var top: TopOptions
    @OptionGroup(title: "Step") var batch: BatchSizeOptions
    @OptionGroup(title: "Step") var exchange: ExchangeSettings
    @OptionGroup(title: "General") var common: CommonOptions

    @Option(help: ArgumentHelp("Tokens per row (default: 256).", valueName: "tokens"), transform: OptionValue.positive)
    var length = 256

    @Option(help: ArgumentHelp("Steps to time, after two that are not (default: 5).", valueName: "n"), transform: OptionValue.positive)
    var timedSteps = 5

    func validate() throws {
        if method.method != .neft, top.top != nil {
            throw ValidationError("--top has no meaning with --method \(method.method.rawValue), which trains all rows")
        }
        guard length >= 2 else { throw ValidationError("--length \(length): a row needs at least 2 tokens") }
    }

    func run(in session: Session) throws {
        let threads = session.threads(requested: model.threads)
        let (loaded, trainable, data) = try session.agree {
            let loaded = try LoadedModel(model, templateName: "none", threads: threads)
            guard length <= loaded.model.contextLength else {
                throw CommandError(
                    "--length", found: "\(length)", expected: "at most \(loaded.model.contextLength), the model's context",
                    hint: "lower it")
            }
            let data = RandomRows(
                rows: batch.batch ?? 4, length: length, vocabulary: loaded.model.vocabularySize,
                microBatches: session.communicator.size)
            return (loaded, try rows(of: loaded.model), data)
        }
        var configuration = TrainingConfiguration(method: method.method, learningRate: 1e-5)
        configuration.warmup = .steps(0)
        configuration.schedule = .constant
        configuration.epochs = Int(Int32.max)
        configuration.maxSteps = Self.untimedSteps + timedSteps
        configuration.exchange = exchange.options
        let trainer = try session.together { () throws(TrainingError) in
            try Trainer(
                model: loaded.model, trainable: trainable, data: data, configuration: configuration,
                communicator: session.communicator, team: loaded.team)
        }
        var seconds: [Double] = []
        try trainer.run { progress in
            session.console.progress(
                "step", done: progress.step, total: progress.totalSteps,
                detail: "\(Int(progress.tokensPerSecond)) tokens/s")
            if progress.step > Self.untimedSteps { seconds.append(progress.stepSeconds) }
        }
        report(seconds: seconds.sorted()[seconds.count / 2], tokens: data.tokens, trainable: trainable, in: session)
    }

    /// Memory is touched for the first time and caches fill: not what a step of a long run costs.
    private static let untimedSteps = 2

    private func rows(of model: Decoder) throws -> TrainableRows {
        switch method.method {
        case .full: return model.everyWeight
        case .linear: return model.everyNeuron
        case .neft:
            let mask = try NeuronProfile.random(model: model, seed: 1, baseHash: "").select(
                share: try top.share().fraction, scope: .layer)
            return try mask.trainableRows(for: model, baseHash: "", file: "random neurons")
        }
    }

    private func report(seconds: Double, tokens: Int, trainable: TrainableRows, in session: Session) {
        let tokensPerSecond = Double(tokens) / seconds
        if common.json {
            session.console.result([
                "tokensPerSecond": .double(tokensPerSecond), "stepSeconds": .double(seconds),
                "peakMiB": .double(ProcessStatus.peakMiB), "tokensPerStep": .int(tokens),
                "trainedParameters": .int(trainable.count), "ranks": .int(session.communicator.size),
            ])
        } else {
            session.console.result(
                "\(Int(tokensPerSecond.rounded())) tokens/s: \(tokens) tokens per step in \(Human.duration(seconds)), "
                    + "\(Human.count(trainable.count)) trained parameters, \(Int(ProcessStatus.peakMiB)) MiB at most")
        }
    }
}
