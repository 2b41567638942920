import CMPI
import Glibc

/// The ranks that an MPI launcher started (Open MPI; `MPI_COMM_WORLD`).
///
/// At most one exists per process, and only the thread that made it may call it (`MPI_THREAD_FUNNELED`): make it on
/// the main thread, use it there, and `finalize()` it before the process exits.
///
/// **Faults.** An MPI error ends all ranks: the library's text goes to the `onFailure` closure, then `MPI_Abort` is
/// called; no method returns after an error. A rank that fails for a reason of its own must call `abort(code:)`.
public final class MPICommunicator: Communicator {
    /// How transfers are cut. The ranks must agree on it.
    public struct Chunking: Sendable {
        /// Bytes per message between hosts. Below Open MPI's eager limit for TCP (64 KiB), so no message waits for a
        /// handshake; small chunks in both directions at once fill a full-duplex link.
        public var remoteBytes = 60_000
        /// Bytes per message within a host, where the copy is cheap and the call is not.
        public var localBytes = 1 << 20
        /// Messages under way per peer and direction.
        public var inFlight = 8
        /// Bytes per collective call; MPI counts are 32 bits wide.
        public var collectiveBytes = 1 << 28

        public init() {}
    }

    public let rank: Int
    public let size: Int
    public let hostName: String
    /// This rank's number among the ranks of its host.
    public let localRank: Int
    /// Number of hosts.
    public let nodeCount: Int
    /// By rank: the lowest rank on the same host.
    let nodeOfRank: [Int]

    let chunking: Chunking
    let communicator: MPI_Comm
    private let onFailure: (String) -> Void
    private var transfers: ChunkedTransfers! = nil

    /// Initialises MPI. Call only under a launcher (`MPILaunch.isLaunched`).
    /// - Parameters:
    ///   - chunking: how transfers are cut.
    ///   - onFailure: told one line that names rank, host, call and MPI's error text, before the run is aborted.
    /// - Throws: `CollectiveError` if MPI cannot be initialised.
    public init(chunking: Chunking = Chunking(), onFailure: @escaping (String) -> Void) throws(CollectiveError) {
        precondition(
            [chunking.remoteBytes, chunking.localBytes, chunking.inFlight, chunking.collectiveBytes].allSatisfy {
                $0 > 0 && $0 <= Int(Int32.max)
            }, "MPICommunicator: chunk sizes must be positive and fit MPI's 32-bit counts")
        self.chunking = chunking
        self.onFailure = onFailure
        hostName = localHostName()

        var provided: Int32 = 0
        guard MPI_Init_thread(nil, nil, Int32(MPI_THREAD_FUNNELED), &provided) == MPI_SUCCESS else {
            throw CollectiveError(
                subject: "MPI_Init_thread on \(localHostName())", found: "MPI could not be initialised")
        }
        guard provided >= MPI_THREAD_FUNNELED else {
            throw CollectiveError(
                subject: "MPI_Init_thread on \(localHostName())", found: "thread level \(provided)",
                expected: "at least MPI_THREAD_FUNNELED", hint: "use an Open MPI built with thread support")
        }
        let start = Start(host: hostName, onFailure: onFailure)
        let world: MPI_Comm = neft_mpi_comm_world()
        start.check(MPI_Comm_set_errhandler(world, neft_mpi_errors_return()), "MPI_Comm_set_errhandler")
        var duplicate: MPI_Comm? = nil
        start.check(MPI_Comm_dup(world, &duplicate), "MPI_Comm_dup")
        communicator = duplicate!
        start.check(MPI_Comm_set_errhandler(communicator, neft_mpi_errors_return()), "MPI_Comm_set_errhandler")
        var value: Int32 = 0
        start.check(MPI_Comm_rank(communicator, &value), "MPI_Comm_rank")
        rank = Int(value)
        start.check(MPI_Comm_size(communicator, &value), "MPI_Comm_size")
        size = Int(value)

        var node: MPI_Comm? = nil
        start.check(
            MPI_Comm_split_type(communicator, Int32(MPI_COMM_TYPE_SHARED), Int32(rank), neft_mpi_info_null(), &node),
            "MPI_Comm_split_type")
        start.check(MPI_Comm_rank(node, &value), "MPI_Comm_rank")
        localRank = Int(value)
        var leader = UInt64(rank)
        start.check(MPI_Bcast(&leader, 8, neft_mpi_byte(), 0, node), "MPI_Bcast")
        start.check(MPI_Comm_free(&node), "MPI_Comm_free")
        var leaders = [UInt64](repeating: 0, count: size)
        start.check(
            MPI_Allgather(&leader, 8, neft_mpi_byte(), &leaders, 8, neft_mpi_byte(), communicator), "MPI_Allgather")
        nodeOfRank = leaders.map { Int($0) }
        nodeCount = Set(leaders).count
        transfers = ChunkedTransfers(owner: self)
    }

    /// Waits for all ranks and ends MPI. The object must not be used afterwards.
    public func finalize() {
        barrier()
        check(MPI_Finalize(), "MPI_Finalize")
    }

    /// Ends every rank of the run at once, this process with exit code `code`. Say why before: nobody is told.
    public func abort(code: Int32) -> Never {
        MPI_Abort(communicator, code)
        fatalError("MPI_Abort returned")
    }

    // MARK: - Collective calls

    public func barrier() {
        var request: MPI_Request? = neft_mpi_request_null()
        check(MPI_Ibarrier(communicator, &request), "MPI_Ibarrier")
        wait(for: &request)
    }

    public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) {
        precondition(root >= 0 && root < size, "broadcast: no rank \(root)")
        guard let base = bytes.baseAddress, size > 1 else { return }
        var offset = 0
        while offset < bytes.count {
            let count = min(chunking.collectiveBytes, bytes.count - offset)
            var request: MPI_Request? = neft_mpi_request_null()
            check(
                MPI_Ibcast(base + offset, Int32(count), neft_mpi_byte(), Int32(root), communicator, &request),
                "MPI_Ibcast")
            wait(for: &request)
            offset += count
        }
    }

    public func allGather(_ bytes: [UInt8]) -> [[UInt8]] {
        var lengths = [UInt64](repeating: 0, count: size)
        var length = UInt64(bytes.count)
        withUnsafeBytes(of: &length) { own in
            lengths.withUnsafeMutableBytes { all in
                exchange(
                    sends: (0..<size).map { ($0, own) },
                    receives: (0..<size).map { ($0, .init(rebasing: all[$0 * 8..<$0 * 8 + 8])) })
            }
        }
        var flat = [UInt8](repeating: 0, count: Int(lengths.reduce(0, +)))
        var ends = [0]
        for count in lengths { ends.append(ends.last! + Int(count)) }
        bytes.withUnsafeBytes { own in
            flat.withUnsafeMutableBytes { all in
                exchange(
                    sends: (0..<size).map { ($0, own) },
                    receives: (0..<size).map { ($0, .init(rebasing: all[ends[$0]..<ends[$0 + 1]])) })
            }
        }
        return (0..<size).map { Array(flat[ends[$0]..<ends[$0 + 1]]) }
    }

    public func exchange(
        sends: [(peer: Int, bytes: UnsafeRawBufferPointer)],
        receives: [(peer: Int, bytes: UnsafeMutableRawBufferPointer)]
    ) {
        exchange(sends: sends, receives: receives, meanwhile: { false })
    }

    public func exchange(
        sends: [(peer: Int, bytes: UnsafeRawBufferPointer)],
        receives: [(peer: Int, bytes: UnsafeMutableRawBufferPointer)],
        meanwhile: () -> Bool
    ) {
        transfers.run(sends: sends, receives: receives, meanwhile: meanwhile)
    }

    // MARK: - Errors and waiting

    /// The one funnel of MPI's return codes: on an error reports the library's text and ends the run.
    func check(_ code: Int32, _ call: StaticString) {
        guard code != MPI_SUCCESS else { return }
        fail("\(call): \(MPICommunicator.text(of: code))")
    }

    /// Reports `message` with this rank's name and ends the run.
    func fail(_ message: String) -> Never {
        onFailure("rank \(rank) on \(hostName): \(message)")
        abort(code: 1)
    }

    private func wait(for request: inout MPI_Request?) {
        var poll = PollPacing()
        var done: Int32 = 0
        while true {
            check(MPI_Test(&request, &done, neft_mpi_status_ignore()), "MPI_Test")
            if done != 0 { return }
            poll.idle()
        }
    }

    static func text(of code: Int32) -> String {
        var buffer = [CChar](repeating: 0, count: Int(MPI_MAX_ERROR_STRING) + 1)
        var length: Int32 = 0
        guard MPI_Error_string(code, &buffer, &length) == MPI_SUCCESS else { return "MPI error \(code)" }
        return String(decoding: buffer.prefix(Int(length)).map(UInt8.init(bitPattern:)), as: UTF8.self)
    }

    /// The funnel before the object is complete.
    private struct Start {
        let host: String
        let onFailure: (String) -> Void

        func check(_ code: Int32, _ call: StaticString) {
            guard code != MPI_SUCCESS else { return }
            onFailure("a rank on \(host): \(call): \(MPICommunicator.text(of: code))")
            MPI_Abort(neft_mpi_comm_world(), 1)
        }
    }
}
