import ArgumentParser
import Collectives
import Neurons
import Reporting
import Training

struct BenchRecord: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "record",
        abstract: "Record a training step's gradients and weights for bench exchange.",
        usage: "neft bench record [<options>] --model <model> --data <path> --output <path>",
        discussion: """
            Trains the best neurons of all on one rank, up to a step whose packed gradients (one per micro-batch) and \
            weights before and after are written to a file.

              neft bench record -m MODEL -d train.jsonl --top 11% -o step.safetensors
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Model") var template: TemplateOptions
    @OptionGroup(title: "Data") var data: DataOptions
    @OptionGroup(title: "Data") var batches: BatchOptions
    @OptionGroup(title: "Neurons") var top: TopOptions
    @OptionGroup(title: "Training") var rate: LearningRateOptions
    @OptionGroup(title: "Training") var place: RecordedStepOptions
    @OptionGroup(title: "Output") var output: OutputOptions
    @OptionGroup(title: "General") var common: CommonOptions

    func run(in session: Session) throws {
        try session.agree {
            try output.checkIsFree(isFolder: false)
            guard session.communicator.size == 1 else {
                throw CommandError(
                    "neft bench record", found: "\(session.communicator.size) ranks", expected: "one",
                    hint: "start it without mpirun")
            }
        }
        let work = try Workload(model: model, template: template, data: data, split: "train", in: session)
        let rows = SampledRows(
            work.dataset.rows, seed: batches.seed, globalBatch: batches.globalBatch, microBatch: batches.microBatch)
        let baseHash = try work.agreedBaseHash(cache: model.cache, in: session)
        let profiling = try ProfilingRun(
            method: .gradient, seed: batches.seed, model: work.loaded.model, baseHash: baseHash,
            communicator: session.communicator, team: work.loaded.team)
        let mask = try session.profile(profiling, rows, on: work.loaded).select(
            share: try top.share().fraction, scope: .global)
        let trainable = try mask.trainableRows(for: work.loaded.model, baseHash: baseHash, file: "neuron mask")
        try ExchangeRecording.make(
            model: work.loaded.model, trainable: trainable, data: rows, steps: place.atStep,
            configuration: TrainingConfiguration(method: .neft, learningRate: rate.learningRate),
            team: work.loaded.team, to: output.output
        ) { session.console.progress("step", done: $0.step, total: place.atStep + 1) }
        if common.json {
            session.console.result(["values": .int(trainable.count), "output": .string(output.output)])
        } else {
            session.console.result("\(Human.count(trainable.count)) values written to \(output.output)")
        }
    }
}

struct RecordedStepOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Steps to train before the one that is recorded (default: 20).", valueName: "n"),
        transform: OptionValue.nonNegative)
    var atStep = 20
}
