import ArgumentParser
import Checkpoints
import Kernels
import Models
import Reporting

struct BenchKernels: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "kernels",
        abstract: "Time each matrix product of a step beside OpenBLAS's.",
        usage: "neft bench kernels [<options>] --model <model>",
        discussion: """
            Every shape in which a training step multiplies with weights: outputs (x Wᵀ), gradients of inputs (dy W) \
            and of the selected rows (dyᵀ x), on random numbers. Our products and OpenBLAS's sgemm run in turn, on as \
            many threads; speeds are medians over the rounds, ratios those of each round. A bf16 product includes the \
            rounding of the activations.

              neft bench kernels -m MODEL --batch 4 --length 256 --threads 1
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Step") var top: TopOptions
    @OptionGroup(title: "Step") var batch: BatchSizeOptions
    @OptionGroup(title: "Step") var timing: KernelTimingOptions
    @OptionGroup(title: "General") var common: CommonOptions

    func run(in session: Session) throws {
        let threads = session.threads(requested: model.threads)
        let compute = session.compute(requested: model.compute)
        let (products, tokens) = try session.agree {
            guard session.communicator.size == 1 else {
                throw CommandError(
                    "neft bench kernels", found: "\(session.communicator.size) ranks", expected: "one",
                    hint: "start it without mpirun")
            }
            let configuration = try Decoder.configuration(of: try ModelFiles.open(model.model))
            let tokens = (batch.batch ?? 4) * timing.length
            return (StepProducts(configuration, tokens: tokens, share: try top.share().fraction).entries, tokens)
        }
        let bench = ProductBenchmark(team: WorkerTeam(threads: threads))
        var rows: [KernelRow] = []
        for (index, product) in products.enumerated() {
            session.console.progress("timing, shape", done: index, total: products.count)
            let speeds = bench.run(
                product.shape, bfloat16: compute == .bfloat16, rounds: timing.rounds, seconds: timing.seconds)
            rows.append(KernelRow(product, speeds))
        }
        session.console.finishProgress()
        let total = KernelRow.Total(rows)
        if common.json {
            session.console.result([
                "threads": .int(threads), "openBLAS": .string(BLAS.coreType), "rounds": .int(timing.rounds),
                "shapes": .array(rows.map(\.json)), "bfloat16Ratio": total.bfloat16.map { .double($0) } ?? .null,
                "singleRatio": .double(total.single),
            ])
        } else {
            let heading = "\(tokens) tokens on \(threads) threads, OpenBLAS for \(BLAS.coreType), Gflop/s"
            session.console.result(
                ([heading, KernelRow.heading] + rows.map(\.line) + [total.line]).joined(separator: "\n"))
        }
    }
}

struct KernelTimingOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Tokens of a random row (default: 256).", valueName: "tokens"),
        transform: OptionValue.positive)
    var length = 256

    @Option(
        help: ArgumentHelp("Rounds, of which medians are taken (default: 5).", valueName: "n"),
        transform: OptionValue.positive)
    var rounds = 5

    @Option(
        help: ArgumentHelp("How long each product runs in a round, at least (default: 0.1).", valueName: "seconds"),
        transform: OptionValue.positiveNumber)
    var seconds = 0.1
}
