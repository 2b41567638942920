import ArgumentParser
import Datasets
import Reporting

struct BenchGeneration: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "generation",
        abstract: "Time generation.",
        usage: "neft bench generation [<options>] --model <model>",
        discussion: """
            Prompts of random tokens, answered greedily to a fixed length; no token ends an answer. A run's time holds \
            the prompts' too.

              neft bench generation -m MODEL --batch 16 --prompt-length 64 --max-new-tokens 128
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Generation") var batch: BatchSizeOptions
    @OptionGroup(title: "Generation") var generation: GenerationOptions
    @OptionGroup(title: "Generation") var sizes: BenchGenerationOptions
    @OptionGroup(title: "General") var common: CommonOptions

    func run(in session: Session) throws {
        let threads = session.threads(requested: model.threads)
        let compute = session.compute(requested: model.compute)
        let rows = batch.batch ?? 16
        let seconds = try session.agree {
            guard session.communicator.size == 1 else {
                throw CommandError(
                    "neft bench generation", found: "\(session.communicator.size) ranks", expected: "one",
                    hint: "start it without mpirun")
            }
            let decoder = try LoadedModel(
                model, templateName: "none", threads: threads, compute: compute, warn: session.console.warn
            ).model
            guard sizes.promptLength + generation.maxNewTokens <= decoder.contextLength else {
                throw CommandError(
                    "--prompt-length and --max-new-tokens",
                    found: "\(sizes.promptLength + generation.maxNewTokens) tokens",
                    expected: "at most \(decoder.contextLength), the model's context", hint: "lower them")
            }
            let prompts = (0..<rows).map { row in
                PackedBatch.random(
                    rows: 1, length: sizes.promptLength, vocabulary: decoder.vocabularySize, seed: UInt64(row + 1)
                ).tokens
            }
            return (0...sizes.timedRuns).map { run in
                session.console.progress("timing, run", done: run, total: sizes.timedRuns + 1)
                let start = ContinuousClock.now
                _ = decoder.generateGreedy(prompts: prompts, maxNewTokens: generation.maxNewTokens, endTokens: [])
                return (ContinuousClock.now - start) / .seconds(1)
            }.dropFirst().sorted()
        }
        session.console.finishProgress()
        let median = seconds[seconds.count / 2]
        let speed = Double(rows * generation.maxNewTokens) / median
        if common.json {
            session.console.result([
                "tokensPerSecond": .double(speed), "seconds": .double(median), "batch": .int(rows),
                "newTokens": .int(generation.maxNewTokens), "compute": .string(compute.rawValue),
                "threads": .int(threads),
                "peakMiB": .double(ProcessStatus.peakMiB),
            ])
        } else {
            session.console.result(
                "\(Int(speed.rounded())) new tokens/s for \(rows) prompts on \(threads) threads in \(compute.rawValue)")
        }
    }
}

struct BenchGenerationOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("Tokens of a prompt (default: 64).", valueName: "tokens"), transform: OptionValue.positive)
    var promptLength = 64

    @Option(
        help: ArgumentHelp("Runs to time, after one that is not (default: 3).", valueName: "n"),
        transform: OptionValue.positive)
    var timedRuns = 3
}
