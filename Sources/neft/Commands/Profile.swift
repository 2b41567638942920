import ArgumentParser
import Neurons
import Reporting
import Training

struct Profile: SessionCommand {
    static let configuration = CommandConfiguration(
        abstract: "Score every neuron of a model on data.",
        discussion: """
            gradient: how much the loss depends on the neuron; no update.
            weight-shift: how far a full fine-tune turns it (arXiv 2403.11621).
            probeless: how differently it responds to rows of different labels.
            activation: how strongly it responds to the rows.
            random: scores from --seed, as a control.

              neft profile -m MODEL -d train.jsonl -o profile.safetensors
              neft profile -m MODEL -d train.jsonl --adapter RUN/final -o after.safetensors
              mpirun -n 8 neft profile -m MODEL -d train.jsonl -o profile.safetensors
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Model") var memory: RecomputeOptions
    @OptionGroup(title: "Model") var template: TemplateOptions
    @OptionGroup(title: "Model") var adapter: AdapterOptions
    @OptionGroup(title: "Data") var data: DataOptions
    @OptionGroup(title: "Batches") var batches: BatchOptions
    @OptionGroup(title: "Profiling") var method: ProfileOptions
    @OptionGroup(title: "Profiling") var settings: ProfileRunOptions
    @OptionGroup(title: "Profiling") var rate: LearningRateOptions
    @OptionGroup(title: "Exchange") var exchange: ExchangeSettings
    @OptionGroup(title: "Output") var output: OutputOptions
    @OptionGroup(title: "General") var common: CommonOptions

    func validate() throws {
        let method = method.profileMethod ?? .gradient
        if method != .weightShift, rate.learningRate != nil {
            throw ValidationError("--learning-rate has no meaning with --profile-method \(method.rawValue)")
        }
        if method == .random, settings.steps != nil {
            throw ValidationError("--steps has no meaning with --profile-method random")
        }
    }

    var dependentDefaults: [String: String] {
        let method = method.profileMethod ?? .gradient
        var defaults = ["profile-method": method.rawValue]
        if method != .random { defaults["steps"] = "\(method.defaultSteps)" }
        return defaults
    }

    func run(in session: Session) throws {
        try session.onRoot { try output.checkIsFree(isFolder: false) }
        let work = try Workload(
            model: model, template: template, adapter: adapter.adapter, data: data, split: "train", in: session)
        work.loaded.model.recomputes = memory.recompute
        if method.profileMethod == .probeless { try session.agree { _ = try work.dataset.classes() } }
        let baseHash = try work.agreedBaseHash(cache: model.cache, in: session)
        let rows = SampledRows(
            work.dataset.rows, seed: batches.seed, globalBatch: batches.globalBatch, microBatch: batches.microBatch)
        let run = try session.together { () throws(TrainingError) in
            try ProfilingRun(
                method: method.profileMethod ?? .gradient, steps: settings.steps,
                learningRate: rate.learningRate, seed: batches.seed, exchange: exchange.options,
                model: work.loaded.model, baseHash: baseHash, communicator: session.communicator,
                team: work.loaded.team, untouched: work.loaded.untouched)
        }
        var profile = try session.profile(run, rows, on: work.loaded).made(on: work)
        if let adapter = adapter.adapter {
            profile.details["adapter"] = adapter
            profile.details["weightsHash"] = work.loaded.weightsHash
        }
        try session.onRoot { try profile.save(to: output.output) }
        if common.json {
            session.console.result([
                "method": .string(profile.method), "neurons": .int(profile.neuronCount),
                "steps": .int(profile.details["steps"].flatMap { Int($0) } ?? 0), "baseHash": .string(baseHash),
                "output": .string(output.output),
            ])
        } else {
            session.console.result(
                "\(profile.neuronCount) neurons scored (\(profile.method)), written to \(output.output)")
        }
    }
}

/// How neurons are scored.
struct ProfileOptions: ParsableArguments {
    @Option(help: "How neurons are scored (default: gradient).")
    var profileMethod: ProfileMethod?
}

struct ProfileRunOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Batches to score on (default: 16, and 50 for weight-shift).", valueName: "n"),
        transform: OptionValue.positive)
    var steps: Int?
}

extension ProfileMethod: ExpressibleByArgument {}

extension NeuronProfile {
    /// The same, saying which data it was made on; random scores are made on none.
    func made(on work: Workload) -> NeuronProfile {
        guard method != ProfileMethod.random.rawValue else { return self }
        var profile = self
        profile.details["data"] = work.dataset.file.split(separator: "/").suffix(2).joined(separator: "/")
        profile.details["dataHash"] = work.dataHash
        return profile
    }
}

extension Session {
    /// Runs a profile and shows how far it is. Collective.
    func profile(_ run: ProfilingRun, _ data: any TrainingData, on loaded: LoadedModel) throws -> NeuronProfile {
        var run = run
        run.takesWholeBatches = try requireMemory(for: run, on: loaded, data: data)
        return try trainingStep {
            try run.run(data: data) { progress in
                console.progress(
                    "profiling, step", done: progress.step, total: progress.totalSteps,
                    detail: progress.loss.map { "loss \(Figures.short($0))" } ?? "")
            }
        }
    }

    /// Runs something collective of `Training`. A `TrainingError` and a `StopRequest` are the same on all ranks; any other
    /// error may be one rank's alone.
    func trainingStep<Result>(_ body: () throws -> Result) throws -> Result {
        do {
            return try body()
        } catch let error as TrainingError {
            throw AgreedFailure(failure: Failure(error))
        } catch let stop as StopRequest {
            throw AgreedFailure(failure: Failure(stop, then: "before the first step; nothing is saved"))
        }
    }
}
