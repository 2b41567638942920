import Collectives
import Foundation
import Kernels
import Reporting

/// One run of the program: its ranks, what it prints, how it ends.
///
/// Two ways to fail. Inside `agree` a rank may fail alone: all ranks learn of it, one message is printed and all end
/// with its exit code. Anywhere else a failing rank names itself and its host and ends the whole run.
final class Session {
    let communicator: any Communicator
    let console: Console
    private let mpi: MPICommunicator?
    private var heartbeat: Heartbeat?

    /// - Parameter environment: of the process; says whether a launcher started it.
    init(environment: [String: String]) throws {
        if MPILaunch.isLaunched(environment: environment) {
            // Lets a test on one machine have several nodes.
            let ranksPerHost = environment["NEFT_RANKS_PER_HOST"].flatMap(Int.init).flatMap { $0 > 0 ? $0 : nil }
            let mpi = try MPICommunicator(ranksPerHost: ranksPerHost, onFailure: Console.error)
            self.mpi = mpi
            communicator = mpi
        } else {
            mpi = nil
            communicator = LocalCommunicator()
        }
        console = Console(isActive: communicator.rank == 0, environment: environment)
        if let problem = MPILaunch.problem(environment: environment, size: communicator.size) { throw problem }
    }

    var isRoot: Bool { communicator.rank == 0 }
    /// Whether `mpirun` or `srun` started this process.
    var hasLauncher: Bool { mpi != nil }

    /// A warning about this host, of its first rank alone.
    func warnOfHost(_ text: String) {
        if isRoot { return console.warn(text) }
        if let mpi, mpi.localRank == 0 { Console.warning("\(mpi.hostName): \(text)") }
    }

    /// From now on the run ends when a rank is not heard of for `timeout` seconds; 0: it does not. Collective.
    func watchRanks(timeout: Int) {
        guard timeout > 0, let mpi, mpi.size > 1 else { return }
        let (rank, host) = (mpi.rank, mpi.hostName)
        do throws(CollectiveError) {
            heartbeat = try Heartbeat.start(over: mpi, timeout: Double(timeout)) { warning in
                // All miss a silent rank 0: one is enough to say so.
                if rank <= 1 { Console.warning("rank \(rank) on \(host): \(warning)") }
            } onSilence: { silent in
                if let silent { Console.error("rank \(rank) on \(host): \(silent)") }
                _exit(Failure.silentRank)
            }
        } catch {
            console.warn("\(error)")
        }
    }

    /// Runs `body` on every rank and waits for all. If it throws on any of them, all throw the same `AgreedFailure`,
    /// which names rank and host unless all failed alike. `body` must not communicate: a rank that fails would leave
    /// the others waiting.
    func agree<Result>(_ body: () throws -> Result) throws -> Result {
        try agree(named: true, body)
    }

    /// Runs `body` on rank 0 alone while the others wait; they get nil. If it throws, all throw.
    @discardableResult
    func onRoot<Result>(_ body: () throws -> Result) throws -> Result? {
        try agree(named: false) { isRoot ? try body() : nil }
    }

    /// `named`: whether to say which rank failed.
    private func agree<Result>(named: Bool, _ body: () throws -> Result) throws -> Result {
        let result = Swift.Result { try body() }
        guard communicator.size > 1 else { return try result.get() }
        var failure: Failure?
        if case .failure(let error) = result { failure = Failure(error) }
        let all = communicator.allGather(Array("\(communicator.hostName)\0\(failure?.encoded ?? "")".utf8))
        let failures = all.enumerated().compactMap { rank, bytes -> (rank: Int, host: String, failure: Failure)? in
            let parts = String(decoding: bytes, as: UTF8.self).split(
                separator: "\0", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2, let failure = Failure(encoded: parts[1]) else { return nil }
            return (rank, String(parts[0]), failure)
        }
        guard let first = failures.first else { return try result.get() }
        let isShared = failures.count == communicator.size && failures.allSatisfy { $0.failure == first.failure }
        let place = isShared || !named ? "" : "rank \(first.rank) on \(first.host): "
        throw AgreedFailure(failure: Failure(text: place + first.failure.text, exitCode: first.failure.exitCode))
    }

    /// Prints the error, if it is this rank's to print, and ends the process; the whole run if the other ranks do not
    /// know of it.
    func end(with error: any Error) -> Never {
        console.finishProgress()
        if let agreed = error as? AgreedFailure {
            if agreed.failure.exitCode == Failure.stopped {
                console.stopped(agreed.failure.text)
            } else if isRoot {
                Console.error(agreed.failure.text)
            }
            end(code: agreed.failure.exitCode)
        }
        let failure = Failure(error)
        guard let mpi, mpi.size > 1 else {
            Console.error(failure.text)
            end(code: failure.exitCode)
        }
        Console.error("rank \(mpi.rank) on \(mpi.hostName): \(failure.text)")
        mpi.abort(code: failure.exitCode)
    }

    /// Ends the process in step with the other ranks, which must do the same.
    func end(code: Int32) -> Never {
        console.finishProgress()
        // No rank stops its heartbeat before all have come to the end.
        communicator.barrier()
        heartbeat?.stop()
        mpi?.finalize()
        exit(code)
    }
}

/// A failure that every rank knows of.
struct AgreedFailure: Error {
    let failure: Failure
}
