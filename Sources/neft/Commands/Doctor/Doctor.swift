import ArgumentParser
import Checkpoints
import Collectives
import Foundation
import Kernels
import Models
import Reporting

struct Doctor: SessionCommand {
    static let configuration = CommandConfiguration(
        abstract: "Look at the machines of a run, and say what is wrong with them.",
        usage: "mpirun -n <ranks> neft doctor [<options>]",
        discussion: """
            Start it as the run itself will be started: the same launcher, hosts, ranks and binding. It prints what \
            each host has, measures arithmetic and links, compares the program, the model and the data between hosts, and \
            ends with its findings. Exit code 2 if one of them will stop or spoil the run.

              neft doctor -m MODEL
              mpirun --hostfile hosts -n 8 neft doctor -m MODEL -d train.jsonl
            """)

    @OptionGroup(title: "Run") var subject: DoctorOptions
    @OptionGroup(title: "General") var common: CommonOptions

    func run(in session: Session) throws {
        let threads = session.threads(requested: subject.threads)
        let report = try session.agree { try RankReport.gather(subject, threads: threads, in: session) }
        session.console.note("measuring \(session.communicator.size == 1 ? "this machine" : "hosts and links")")
        var own = report
        // All ranks at once: they share memory bandwidth in the run, too.
        session.communicator.barrier()
        own.gigaflops = ArithmeticProbe.gigaflops(threads: threads)
        let all = try session.communicator.allGather(Array(JSONEncoder().encode(own))).map {
            try JSONDecoder().decode(RankReport.self, from: Data($0))
        }
        let links = LinkProbe.measure(hosts: all.map(\.host), over: session.communicator)
        try session.onRoot {
            let findings = Finding.all(ranks: all, links: links, environment: ProcessInfo.processInfo.environment)
            if common.json {
                session.console.result([
                    "findings": .array(findings.map(\.json)), "ranks": .array(all.map(\.json)),
                    "links": .array(links.map(\.json)),
                ])
            } else {
                for line in RankReport.lines(all) + LinkProbe.lines(links) + findings.map(\.line) {
                    session.console.result(line)
                }
                if findings.isEmpty { session.console.result("nothing wrong was found") }
            }
            if let worst = findings.first, worst.level == .error {
                throw CommandError(worst.subject, found: worst.text, hint: worst.hint)
            }
        }
    }
}

struct DoctorOptions: ParsableArguments {
    @Option(
        name: .shortAndLong,
        help: ArgumentHelp("A GGUF file or a Hugging Face directory.", valueName: "model"), completion: .file())
    var model: String?

    @Option(name: .shortAndLong, help: DataOptions.dataHelp, completion: .file())
    var data: String?

    @Option(
        help: ArgumentHelp("CPU threads per rank (default: its part of the CPUs).", valueName: "n"),
        transform: OptionValue.threads)
    var threads: Int?
}

/// How fast this rank multiplies matrices, as in a training step.
enum ArithmeticProbe {
    /// 1e9 operations per second of a [512, 1024] by [1024, 1024] product on `threads` threads; the best of several,
    /// in about half a second.
    static func gigaflops(threads: Int, compute: ComputeType = .float32) -> Double {
        let (m, n, k) = (512, 1024, 1024)
        let team = WorkerTeam(threads: threads)
        let (a, b, c) = (TensorStorage(count: m * k), TensorStorage(count: n * k), TensorStorage(count: m * n))
        for i in 0..<m * k { a.pointer[i] = Float(i % 13) - 6 }
        for i in 0..<n * k { b.pointer[i] = Float(i % 11) - 5 }
        let words = TensorStorage(count: PackedOperand.wordCount(m: m, k: k) / 2 + 1)
        let packed = UnsafeMutableRawPointer(words.pointer).assumingMemoryBound(to: BFloat16Bits.self)
        let half = HalfTensor(rounding: FloatTensor(name: "B", shape: [n, k], pointer: b.pointer, owner: b))
        var best = 0.0
        let start = ContinuousClock.now
        while ContinuousClock.now - start < .milliseconds(500) {
            let before = ContinuousClock.now
            switch compute {
            case .float32: team.gemm(.nt, m: m, n: n, k: k, a.pointer, b.pointer, c.pointer)
            case .bfloat16:
                team.gemm(team.pack(a.pointer, m: m, k: k, into: packed), half.pointer, n: n, c.pointer)
            }
            best = max(best, 2e-9 * Double(m * n * k) / ((ContinuousClock.now - before) / .seconds(1)))
        }
        return best
    }
}
