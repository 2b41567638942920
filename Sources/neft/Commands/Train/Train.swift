import ArgumentParser
import Neurons
import Reporting
import Training

struct Train: SessionCommand {
    static let configuration = CommandConfiguration(
        abstract: "Train the selected neurons of a model.",
        discussion: """
            Without --neurons a profile is made first and the best --top of it is trained. RUN then holds the trained \
            neurons (final/), the mask, the metrics of every step and the configuration.

              neft train -m MODEL -d train.jsonl -o RUN
              mpirun -n 8 neft train -m MODEL -d train.jsonl -o RUN --top 3% --epochs 2
              neft train --config RUN/config.yaml -o RUN2    # the same again
              neft train --config RUN/config.yaml -o RUN --resume auto   # go on
              neft train -m MODEL -d train.jsonl --eval-data valid.jsonl --early-stopping 3 --keep-best -o RUN

            SIGTERM or SIGUSR1 to any rank, or Ctrl-C without mpirun, ends the run after its step: it saves a \
            checkpoint and exits with code 75. Given the same options, --resume leads to the same result, on any number \
            of ranks.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Model") var template: TemplateOptions
    @OptionGroup(title: "Data") var data: DataOptions
    @OptionGroup(title: "Data") var batches: BatchOptions
    @OptionGroup(title: "Neurons") var method: MethodOptions
    @OptionGroup(title: "LoRA") var lora: LowRankOptions
    @OptionGroup(title: "Neurons") var neurons: NeuronFileOptions
    @OptionGroup(title: "Neurons") var top: TopOptions
    @OptionGroup(title: "Neurons") var scope: ScopeOptions
    @OptionGroup(title: "Neurons") var profiling: ProfileOptions
    @OptionGroup(title: "Training") var length: LengthOptions
    @OptionGroup(title: "Training") var rate: LearningRateOptions
    @OptionGroup(title: "Training") var training: TrainingOptions
    @OptionGroup(title: "Training") var memory: RecomputeOptions
    @OptionGroup(title: "Validation") var validation: ValidationOptions
    @OptionGroup(title: "Checkpoints") var checkpoints: CheckpointOptions
    @OptionGroup(title: "Exchange") var exchange: ExchangeSettings
    @OptionGroup(title: "Output") var output: OutputOptions
    @OptionGroup(title: "Output") var trace: TraceOptions
    @OptionGroup(title: "Output") var tensorBoard: TensorBoardOptions
    @OptionGroup(title: "General") var common: CommonOptions

    func validate() throws {
        let selecting: [(option: String, isGiven: Bool)] = [
            ("--top", top.top != nil), ("--scope", scope.scope != nil),
            ("--projections", scope.projections != nil), ("--layers", scope.layers != nil),
            ("--profile-method", profiling.profileMethod != nil), ("--profile-steps", neurons.profileSteps != nil),
        ]
        let given = selecting.filter(\.isGiven).map(\.option)
        if neurons.neurons != nil, let option = given.first {
            throw ValidationError("\(option) and --neurons exclude each other: the file says which neurons are trained")
        }
        try lora.validate(method: method.method)
        let name = method.method.rawValue
        if method.method != .neft, let option = (neurons.neurons == nil ? given : ["--neurons"]).first {
            throw ValidationError("\(option) has no meaning with --method \(name), which selects no neurons")
        }
        if profiling.profileMethod == .random, neurons.profileSteps != nil {
            throw ValidationError("--profile-steps has no meaning with --profile-method random")
        }
    }

    func run(in session: Session) throws { try TrainingRun(self, in: session).run() }

    var trainingConfiguration: TrainingConfiguration {
        var configuration = TrainingConfiguration(method: method.method, learningRate: rate.learningRate)
        configuration.schedule = training.schedule
        if let warmup = training.warmup { configuration.warmup = warmup.value }
        configuration.epochs = length.epochs
        configuration.maxSteps = length.maxSteps
        configuration.maxGradNorm = training.maxGradNorm
        configuration.weightDecay = training.weightDecay
        configuration.maxBadSteps = checkpoints.maxBadSteps
        configuration.exchange = exchange.options
        return configuration
    }

    /// Every option with its value, those included whose default depends on others.
    var resolved: ResolvedConfiguration {
        ResolvedConfiguration(CommandOptions(of: self), defaults: dependentDefaults)
    }

    var dependentDefaults: [String: String] {
        var defaults = ["learning-rate": "\(trainingConfiguration.learningRate)", "warmup": "5%"]
        if method.method == .neft, neurons.neurons == nil {
            let profiler = profiling.profileMethod ?? .gradient
            defaults["top"] = TopOptions.defaultTop
            defaults["scope"] = scope.forTraining(profiler).rawValue
            defaults["profile-method"] = profiler.rawValue
            if profiler != .random { defaults["profile-steps"] = "\(profiler.defaultSteps)" }
        }
        return defaults
    }
}

struct TraceOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Write what the ranks do in steps 2 to 4 as a time line for Perfetto; RUN/trace.json is in reports too.",
            valueName: "file"), completion: .file())
    var trace: String?
}

/// Curves for another program.
struct TensorBoardOptions: ParsableArguments {
    @Flag(help: "Write loss, learning rate, speed and traffic of every step for TensorBoard, too: RUN/tensorboard.")
    var tensorboard = false
}

struct NeuronFileOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("The neurons to train, as neft select wrote them.", valueName: "file"), completion: .file())
    var neurons: String?

    @Option(
        help: ArgumentHelp("Batches to score on first (default: 16, and 50 for weight-shift).", valueName: "n"),
        transform: OptionValue.positive)
    var profileSteps: Int?
}
