import ArgumentParser
import Collectives
import Foundation
import Reporting
import Training

struct BenchExchange: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "exchange",
        abstract: "Time the exchange between ranks on a recorded step.",
        usage: "mpirun -n <ranks> neft bench exchange [<options>] --recording <file>",
        discussion: """
            Every rank exchanges one of the recorded gradients, and the weights of the recorded step, in every mode, \
            beside MPI_Allreduce of the same buffer. Bytes are those that a rank sends per step.

              neft bench record -m MODEL -d train.jsonl --top 11% -o step.safetensors
              mpirun -n 4 neft bench exchange --recording step.safetensors
              neft bench exchange --recording step.safetensors    # the codec alone
            """)

    @OptionGroup(title: "Exchange") var replay: ReplayOptions
    @OptionGroup(title: "General") var common: CommonOptions

    func run(in session: Session) throws {
        let recording = try session.agree { try ExchangeRecording(path: replay.recording) }
        let communicator = session.communicator
        try session.requireAgreement(on: replay.recording, value: "\(recording.count) values")
        let gradient = recording.gradients[communicator.rank % recording.gradients.count]
        let bench = ExchangeReplay(
            communicator: communicator, gradient: .init(gradient.buffer), before: .init(recording.before.buffer),
            after: .init(recording.after.buffer))

        var rows: [ExchangeRow] = []
        if let mpi = communicator as? MPICommunicator, mpi.size > 1 {
            session.console.progress("timing MPI_Allreduce", done: 0, total: ExchangeRow.modes.count)
            let counters = InterfaceCounters(replay.interface)
            let seconds = bench.librarySum(mpi, steps: replay.timedSteps)
            rows.append(ExchangeRow(allreduce: seconds, sent: counters?.sentPerStep(steps: replay.timedSteps + 2)))
        }
        for (index, mode) in ExchangeRow.modes.enumerated() where replay.modes.contains(mode.name) {
            session.console.progress("timing \(mode.name)", done: index, total: ExchangeRow.modes.count)
            var options = mode.options
            options.hierarchy = replay.hierarchy
            let counters = InterfaceCounters(replay.interface)
            let result = try session.trainingStep {
                try bench.run(options, steps: replay.timedSteps, computeSeconds: replay.computeSeconds)
            }
            let steps = replay.timedSteps + 2
            let countable = options.codec != .auto && replay.computeSeconds == nil
            rows.append(
                ExchangeRow(mode.name, result, sent: countable ? counters?.sentPerStep(steps: steps) : nil))
        }
        let analyses = try session.onRoot {
            try WireAnalysis.Content.allCases.map { content in
                let isDelta = content == .delta || content == .delta16
                let values = isDelta ? recording.after : recording.gradients[0]
                return try WireAnalysis(content, values: .init(values.buffer), base: .init(recording.before.buffer))
            }
        }
        session.console.finishProgress()
        guard let analyses else { return }
        if common.json {
            session.console.result([
                "ranks": .int(communicator.size), "values": .int(recording.count),
                "recording": .object(
                    recording.metadata.sorted { $0.key < $1.key }.map { .init($0.key, .string($0.value)) }),
                "modes": .array(rows.map(\.json)), "codec": .array(analyses.map(\.json)),
            ])
        } else {
            let heading = "\(Human.count(recording.count)) values on \(communicator.size) ranks, per rank and step"
            session.console.result(([heading, ExchangeRow.heading] + rows.map(\.line)).joined(separator: "\n"))
            session.console.result(([WireAnalysis.heading] + analyses.map(\.line)).joined(separator: "\n"))
        }
    }
}

struct ReplayOptions: ParsableArguments {
    @Option(help: ArgumentHelp("A file of neft bench record.", valueName: "file"), completion: .file())
    var recording: String

    @Option(
        help: ArgumentHelp("Steps to time (default: 5).", valueName: "n"),
        transform: OptionValue.positive)
    var timedSteps = 5

    @Option(
        help: ArgumentHelp(
            "Which to time, separated by commas (default: all of raw,exact,auto,allreduce,bf16).", valueName: "names"))
    var only: String?

    @Option(help: "Whether the ranks of a node sum in shared memory first; auto: if several nodes have several ranks.")
    var hierarchy = ExchangeOptions.Hierarchy.auto

    @Option(
        help: ArgumentHelp(
            "Replay a step's computation of this length as pauses, and report what it waits for of the exchange.",
            valueName: "seconds"), transform: OptionValue.positiveNumber)
    var computeSeconds: Double?

    @Option(help: ArgumentHelp("Check the bytes against this network interface's counters.", valueName: "name"))
    var interface: String?

    var modes: [String] { only?.split(separator: ",").map(String.init) ?? ExchangeRow.modes.map(\.name) }

    func validate() throws {
        for name in modes where !ExchangeRow.modes.contains(where: { $0.name == name }) {
            throw ValidationError(
                "--only \(name): expected some of \(ExchangeRow.modes.map(\.name).joined(separator: ","))")
        }
        if let interface, InterfaceCounters.sent(interface) == nil {
            throw ValidationError("--interface \(interface): no such network interface")
        }
    }
}
