import ArgumentParser
import Checkpoints
import Collectives
import Foundation
import Kernels
import Models
import Neurons
import Reporting
import Training

struct PlanCommand: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "plan",
        abstract: "Predict memory, traffic and time of a run before booking machines.",
        usage: "neft plan [<options>] --model <model>",
        discussion: """
            Predicts a step for each number of ranks and each wire mode. Measures this machine's arithmetic unless \
            --step-report gives what neft bench step found; --exchange-report gives what neft bench exchange found. With \
            --top the rows are taken to be of mean length; a mask (--neurons) gives the exact number of values.

              neft plan -m MODEL --top 6% --ranks 1,4,64 --link 10Gbit
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Model") var memory: RecomputeOptions
    @OptionGroup(title: "Neurons") var neurons: PlannedNeurons
    @OptionGroup(title: "Batch") var batch: PlannedBatch
    @OptionGroup(title: "Machines") var machines: PlannedMachines
    @OptionGroup(title: "General") var common: CommonOptions

    func run(in session: Session) throws {
        let threads = session.threads(requested: model.threads)
        let compute = session.compute(requested: model.compute)
        let (configuration, selected, constants) = try session.agree {
            let configuration = try Decoder.configuration(of: try ModelFiles.open(model.model))
            let selected = try neurons.values(in: configuration)
            return (configuration, selected, try machines.constants(threads: threads, compute: compute))
        }
        let cost = CostModel(constants: constants)
        var rows: [(plan: CostModel.Plan, predictions: [CostModel.Prediction])] = []
        for ranks in machines.ranks {
            let plan = CostModel.Plan(
                configuration: configuration, selectedCount: selected, globalBatch: batch.sizes.globalBatch,
                microBatch: batch.sizes.microBatch, rowTokens: batch.rowTokens,
                rowTargets: batch.rowTargets ?? max(1, batch.rowTokens / 3), ranks: ranks,
                ranksPerHost: machines.ranksPerHost, linkBytesPerSecond: machines.link.bytesPerSecond,
                latencySeconds: machines.latency, threads: threads, compute: compute,
                recomputes: memory.recompute)
            let wires: [ExchangeOptions.Wire] = ranks == 1 ? [.raw] : ExchangeOptions.Wire.allCases
            rows.append((plan, wires.map { cost.predict(plan, wire: $0) }))
        }
        if common.json {
            session.console.result(json(rows, cost))
        } else {
            for line in lines(rows, cost) { session.console.result(line) }
        }
    }

    private func lines(
        _ rows: [(plan: CostModel.Plan, predictions: [CostModel.Prediction])], _ cost: CostModel
    ) -> [String] {
        guard let first = rows.first else { return [] }
        var lines = [
            "\(Human.count(first.plan.selectedCount)) selected values, "
                + "\(batch.sizes.globalBatch) rows of \(batch.rowTokens) tokens per step, \(machines.link) per host, "
                + "\(Int(cost.constants.gigaflops.rounded())) Gflop/s per rank",
            "ranks  wire   MiB/rank  MiB/host  sent MB  compute s  exchange s  waited s  step s  tokens/s  efficiency",
        ]
        for (plan, predictions) in rows {
            for prediction in predictions {
                let wire = plan.ranks == 1 ? "-" : prediction.wire.rawValue
                lines.append(
                    String(format: "%5d  ", plan.ranks) + wire.padding(toLength: 6, withPad: " ", startingAt: 0)
                        + String(
                            format: "%9.0f  %8.0f  %7.1f  %9.3f  %10.3f  %8.3f  %6.3f  %8.0f  %10.2f",
                            CostModel.memoryMiB(plan), CostModel.hostMemoryMiB(plan),
                            prediction.wireBytes / 1e6, prediction.computeSeconds,
                            prediction.reduceSeconds + prediction.shareSeconds, prediction.exposedSeconds,
                            prediction.stepSeconds, prediction.tokensPerSecond, prediction.efficiency))
            }
        }
        let leaves = (batch.sizes.globalBatch + batch.sizes.microBatch - 1) / batch.sizes.microBatch
        if let most = machines.ranks.max(), most > leaves {
            lines.append(
                "a step has \(leaves) micro-batches: more ranks than that compute nothing; raise --global-batch")
        }
        if let last = rows.last(where: { $0.plan.ranks > 1 }) {
            for wire in ExchangeOptions.Wire.allCases where wire != .raw {
                let speeds =
                    switch cost.breakEven(last.plan, wire: wire) {
                    case .never: "at no speed of the link"
                    case .always: "at any speed of the link"
                    case .below(let speed): "below \(Rate(bytesPerSecond: speed)) per host"
                    }
                lines.append("\(wire.rawValue) is faster than raw on \(last.plan.ranks) ranks \(speeds)")
            }
        }
        return lines
    }

    private func json(
        _ rows: [(plan: CostModel.Plan, predictions: [CostModel.Prediction])], _ cost: CostModel
    ) -> JSONValue {
        [
            "selectedParameters": .int(rows.first?.plan.selectedCount ?? 0),
            "linkBytesPerSecond": .double(machines.link.bytesPerSecond),
            "gigaflops": .double(cost.constants.gigaflops),
            "plans": .array(
                rows.flatMap { plan, predictions in
                    predictions.map { prediction -> JSONValue in
                        [
                            "ranks": .int(plan.ranks), "wire": .string(prediction.wire.rawValue),
                            "memoryMiB": .double(CostModel.memoryMiB(plan)),
                            "hostMemoryMiB": .double(CostModel.hostMemoryMiB(plan)),
                            "wireBytesPerStep": .double(prediction.wireBytes),
                            "computeSeconds": .double(prediction.computeSeconds),
                            "reduceSeconds": .double(prediction.reduceSeconds),
                            "shareSeconds": .double(prediction.shareSeconds),
                            "exposedSeconds": .double(prediction.exposedSeconds),
                            "stepSeconds": .double(prediction.stepSeconds),
                            "tokensPerSecond": .double(prediction.tokensPerSecond),
                            "efficiency": .double(prediction.efficiency),
                            "breakEvenBytesPerSecond": breakEven(plan, prediction.wire, cost),
                        ]
                    }
                }),
        ]
    }

    /// A speed, or "never" or "always"; null where there is nothing to compare.
    private func breakEven(_ plan: CostModel.Plan, _ wire: ExchangeOptions.Wire, _ cost: CostModel) -> JSONValue {
        guard plan.ranks > 1, wire != .raw else { return .null }
        return switch cost.breakEven(plan, wire: wire) {
        case .never: "never"
        case .always: "always"
        case .below(let speed): .double(speed)
        }
    }
}

/// The neurons that will be trained.
struct PlannedNeurons: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Share of the neurons to train, as 6% or 0.06 (default: 6%).", valueName: "share"), transform: Share.init)
    var top: Share?

    @Option(
        help: ArgumentHelp("The neurons to train, as neft select wrote them.", valueName: "file"), completion: .file())
    var neurons: String?

    func validate() throws {
        if top != nil, neurons != nil { throw ValidationError("--top and --neurons exclude each other") }
    }

    func values(in configuration: DecoderConfiguration) throws -> Int {
        if let neurons {
            let modules = try NeuronMask.load(neurons).modules
            return modules.reduce(0) { $0 + $1.rows.count * configuration.neuronValues(of: $1.projection) }
        }
        return Int(Double(CostModel.projectionValues(configuration)) * (top?.fraction ?? 0.06))
    }
}

struct PlannedBatch: ParsableArguments {
    @OptionGroup var sizes: BatchSizes

    @Option(
        help: ArgumentHelp("Tokens of a row (default: 256).", valueName: "tokens"), transform: OptionValue.positive)
    var rowTokens = 256

    @Option(
        help: ArgumentHelp("Tokens of a row that are learned (default: a third).", valueName: "tokens"),
        transform: OptionValue.positive)
    var rowTargets: Int?

    func validate() throws {
        guard rowTargets ?? 1 <= rowTokens else {
            throw ValidationError("--row-targets \(rowTargets ?? 0) is more than --row-tokens \(rowTokens)")
        }
    }
}

struct PlannedMachines: ParsableArguments {
    @Option(
        help: ArgumentHelp("Numbers of ranks, separated by commas (default: 1,2,4,8).", valueName: "list"),
        transform: { text throws in try text.split(separator: ",").map { try OptionValue.positive(String($0)) } })
    var ranks = [1, 2, 4, 8]

    @Option(
        help: ArgumentHelp("Ranks that share a host's link (default: 1).", valueName: "n"),
        transform: OptionValue.positive)
    var ranksPerHost = 1

    @Option(
        help: ArgumentHelp("Speed of a host's link, as 1Gbit or 100Mbit (default: 10Gbit).", valueName: "speed"),
        transform: { text throws in try Rate(text) })
    var link = Rate(bytesPerSecond: 1.25e9)

    @Option(
        help: ArgumentHelp("Its latency one way (default: 50e-6).", valueName: "seconds"),
        transform: OptionValue.nonNegativeNumber)
    var latency = 50e-6

    @Option(
        help: ArgumentHelp("Ranks that share a core while they exchange (default: 1).", valueName: "n"),
        transform: OptionValue.positiveNumber)
    var ranksPerCore = 1.0

    @Option(
        help: ArgumentHelp("What neft bench step --json printed, for the speed of a rank.", valueName: "file"),
        completion: .file())
    var stepReport: String?

    @Option(
        help: ArgumentHelp("What neft bench exchange --json printed, for the cost of each wire.", valueName: "file"),
        completion: .file())
    var exchangeReport: String?

    /// - Parameters: of a rank; they serve to measure its speed where `--step-report` says nothing.
    func constants(threads: Int, compute: ComputeType) throws -> CostModel.Constants {
        let gigaflops: Double
        if let stepReport {
            let report = try StepReport.read(stepReport)
            gigaflops = report.gemmGigaflop / report.stepSeconds
        } else {
            // Nine tenths of a step are products, at nine tenths of the speed of large ones.
            gigaflops = ArithmeticProbe.gigaflops(threads: threads, compute: compute) * 0.81
        }
        var constants = CostModel.Constants(
            gigaflops: gigaflops,
            codecs: try exchangeReport.map { try ExchangeReport.read($0).codecs } ?? CostModel.measuredCodecs)
        constants.ranksPerCore = ranksPerCore
        return constants
    }
}

/// What this command reads of `bench step --json`.
private struct StepReport: CommandReport {
    var gemmGigaflop: Double
    var stepSeconds: Double

    var isPlausible: Bool { gemmGigaflop > 0 && stepSeconds > 0 && (gemmGigaflop / stepSeconds).isFinite }

    static func read(_ path: String) throws -> StepReport { try readReport(path, "neft bench step --json") }
}

/// What this command reads of `bench exchange --json`.
private struct ExchangeReport: CommandReport {
    struct Row: Decodable {
        var content: String
        var bitsPerValue: Double
        var encodeMBPerSecond: Double
        var decodeMBPerSecond: Double
    }
    var codec: [Row]

    var isPlausible: Bool {
        codec.allSatisfy { $0.bitsPerValue > 0 && $0.encodeMBPerSecond > 1e-9 && $0.decodeMBPerSecond > 1e-9 }
    }

    static func read(_ path: String) throws -> ExchangeReport { try readReport(path, "neft bench exchange --json") }

    var codecs: [ExchangeOptions.Wire: CostModel.Codec] {
        func row(_ name: String) -> Row? { codec.first { $0.content == name } }
        func mode(_ gradient: String, _ weights: String) -> CostModel.Codec? {
            guard let gradient = row(gradient), let weights = row(weights) else { return nil }
            // Of both directions; gradients are most of the work.
            return CostModel.Codec(
                gradientBits: gradient.bitsPerValue, weightBits: weights.bitsPerValue,
                encodeSeconds: 4e-6 / gradient.encodeMBPerSecond, decodeSeconds: 4e-6 / gradient.decodeMBPerSecond)
        }
        var codecs = CostModel.measuredCodecs
        if let exact = mode("gradient", "delta") { codecs[.exact] = exact }
        if let bf16 = mode("bf16-gradient", "bf16-delta") { codecs[.bf16] = bf16 }
        return codecs
    }
}

private protocol CommandReport: Decodable {
    /// Whether it can be calculated with.
    var isPlausible: Bool { get }
}

private func readReport<Report: CommandReport>(_ path: String, _ command: String) throws -> Report {
    let data: Data
    do throws(SmallFile.Problem) { data = try SmallFile.readJSON(path) } catch {
        throw CommandError(path, found: error.found, expected: "what \(command) printed", hint: "run it first")
    }
    guard let report = try? JSONDecoder().decode(Report.self, from: data), report.isPlausible else {
        throw CommandError(
            path, found: "not a report of \(command)", expected: "its JSON document", hint: "run it again")
    }
    return report
}

/// Speed of a link: `1Gbit`, `100Mbit`, `2.5Gbit`; inside, bytes per second.
struct Rate: CustomStringConvertible, Equatable {
    let bytesPerSecond: Double

    init(bytesPerSecond: Double) { self.bytesPerSecond = bytesPerSecond }

    init(_ text: String) throws(OptionValueError) {
        let units = [("gbit", 1.25e8), ("mbit", 1.25e5), ("kbit", 125)]
        let lower = text.lowercased().replacingOccurrences(of: "/s", with: "")
        guard let unit = units.first(where: { lower.hasSuffix($0.0) }),
            let number = Double(lower.dropLast(unit.0.count).trimmingCharacters(in: .whitespaces)), number > 0,
            number.isFinite
        else { throw OptionValueError("a speed such as 1Gbit or 100Mbit") }
        bytesPerSecond = number * unit.1
    }

    /// What `init` reads.
    var description: String {
        let bits = bytesPerSecond * 8
        let (number, unit) = bits >= 1e9 ? (bits / 1e9, "Gbit/s") : (bits / 1e6, "Mbit/s")
        return "\(number == number.rounded() ? String(Int(number)) : String(number)) \(unit)"
    }
}
