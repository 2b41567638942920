import CMPI
import Glibc

/// The ranks that an MPI launcher started (Open MPI; `MPI_COMM_WORLD`).
///
/// At most one exists per process. Any thread may call it, but only one at a time (`MPI_THREAD_SERIALIZED`);
/// `finalize()` it before the process exits.
///
/// Ranks are numbered host by host, whatever order the launcher dealt them in: the ranks of a host are neighbours, and
/// the hosts come in the order of the launcher's lowest rank on each. Rank 0 is the launcher's rank 0.
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

        /// What suits networks and shared memory alike.
        public init() {}
    }

    /// As `Communicator` says. Ranks of a host are neighbours, whatever their order in `MPI_COMM_WORLD`.
    public let rank: Int
    /// Of `MPI_COMM_WORLD`.
    public let size: Int
    /// The name that the system gives this host.
    public let hostName: String
    /// This rank's number among the ranks of its host.
    public let localRank: Int
    /// Number of hosts.
    public let nodeCount: Int
    /// Ranks of each host; 1 where hosts have different numbers of them.
    public let ranksPerNode: Int
    /// By rank: its host's number.
    let nodeOfRank: [Int]

    let chunking: Chunking
    let communicator: MPI_Comm
    /// The ranks of this host.
    private let node: MPI_Comm
    private let onFailure: (String) -> Void
    private var transfers: ChunkedTransfers! = nil
    /// Shared memory, given back at the end.
    private var windows: [MPI_Win?] = []
    private static let unusedTag: Int32 = 30_000

    /// Initialises MPI. Call only under a launcher (`MPILaunch.isLaunched`).
    /// - Parameters:
    ///   - chunking: how transfers are cut.
    ///   - ranksPerHost: takes every so many ranks of a host for a host of their own; for tests on one machine.
    ///   - onFailure: told one line that names rank, host, call and MPI's error text, before the run is aborted.
    /// - Throws: `CollectiveError` if MPI cannot be initialised.
    public init(
        chunking: Chunking = Chunking(), ranksPerHost: Int? = nil, onFailure: @escaping (String) -> Void
    ) throws(CollectiveError) {
        precondition(
            [chunking.remoteBytes, chunking.localBytes, chunking.inFlight, chunking.collectiveBytes].allSatisfy {
                $0 > 0 && $0 <= Int(Int32.max)
            }, "MPICommunicator: chunk sizes must be positive and fit MPI's 32-bit counts")
        self.chunking = chunking
        self.onFailure = onFailure
        hostName = localHostName()

        var provided: Int32 = 0
        guard MPI_Init_thread(nil, nil, Int32(MPI_THREAD_SERIALIZED), &provided) == MPI_SUCCESS else {
            throw CollectiveError(
                subject: "MPI_Init_thread on \(localHostName())", found: "MPI could not be initialised")
        }
        guard provided >= MPI_THREAD_SERIALIZED else {
            throw CollectiveError(
                subject: "MPI_Init_thread on \(localHostName())", found: "thread level \(provided)",
                expected: "at least MPI_THREAD_SERIALIZED", hint: "use an Open MPI built with thread support")
        }
        let start = MPIStart(host: hostName, onFailure: onFailure)
        let world: MPI_Comm = neft_mpi_comm_world()
        start.check(MPI_Comm_set_errhandler(world, neft_mpi_errors_return()), "MPI_Comm_set_errhandler")
        let layout = HostLayout(world, start: start, ranksPerHost: ranksPerHost)
        var ordered: MPI_Comm? = nil
        start.check(MPI_Comm_split(world, 0, Int32(layout.position), &ordered), "MPI_Comm_split")
        communicator = ordered!
        start.check(MPI_Comm_set_errhandler(communicator, neft_mpi_errors_return()), "MPI_Comm_set_errhandler")
        rank = layout.position
        size = layout.hostOfPosition.count
        localRank = layout.localRank
        nodeOfRank = layout.hostOfPosition
        nodeCount = layout.hostOfPosition.last! + 1
        ranksPerNode = layout.ranksPerHost
        node = layout.host
        transfers = ChunkedTransfers(owner: self)
    }

    /// Waits for all ranks and ends MPI. The object must not be used afterwards.
    public func finalize() {
        barrier()
        for index in windows.indices { check(MPI_Win_free(&windows[index]), "MPI_Win_free") }
        check(MPI_Finalize(), "MPI_Finalize")
    }

    /// Ends every rank of the run at once, this process with exit code `code`. Say why before: nobody is told.
    public func abort(code: Int32) -> Never {
        MPI_Abort(communicator, code)
        fatalError("MPI_Abort returned")
    }

    // MARK: - Collective calls

    /// As `Communicator` says.
    public func barrier() {
        var request: MPI_Request? = neft_mpi_request_null()
        check(MPI_Ibarrier(communicator, &request), "MPI_Ibarrier")
        wait(for: &request)
    }

    /// As `Communicator` says; any length, in pieces of `collectiveBytes`.
    public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) {
        precondition(root >= 0 && root < size, "broadcast: no rank \(root)")
        guard let base = bytes.baseAddress, size > 1 else { return }
        for (offset, count) in ChunkCuts(count: bytes.count, chunk: chunking.collectiveBytes) {
            var request: MPI_Request? = neft_mpi_request_null()
            check(
                MPI_Ibcast(base + offset, count, neft_mpi_byte(), Int32(root), communicator, &request), "MPI_Ibcast")
            wait(for: &request)
        }
    }

    /// As `Communicator` says; lengths are exchanged first.
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

    /// As `Communicator` says; see `ChunkedTransfers`.
    public func exchange(
        sends: [(peer: Int, bytes: UnsafeRawBufferPointer)],
        receives: [(peer: Int, bytes: UnsafeMutableRawBufferPointer)]
    ) {
        exchange(sends: sends, receives: receives, meanwhile: { .finished })
    }

    /// As `Communicator` says; see `ChunkedTransfers`.
    public func exchange(
        sends: [(peer: Int, bytes: UnsafeRawBufferPointer)],
        receives: [(peer: Int, bytes: UnsafeMutableRawBufferPointer)],
        meanwhile: () -> PieceOfWork
    ) {
        transfers.run(sends: sends, receives: receives, meanwhile: meanwhile)
    }

    /// As `Communicator` says: a probe that finds nothing.
    public func progress() {
        // Any call that looks for messages moves the others along; none has this tag.
        var found: Int32 = 0
        check(
            MPI_Iprobe(Int32(rank), Self.unusedTag, communicator, &found, neft_mpi_status_ignore()), "MPI_Iprobe")
    }

    /// As `Communicator` says: an MPI window of the node.
    public func sharedMemory(byteCount: Int) -> UnsafeMutableRawPointer {
        let own = localRank == 0 ? byteCount : 0
        var window: MPI_Win? = nil
        var base: UnsafeMutableRawPointer? = nil
        check(
            withUnsafeMutablePointer(to: &base) {
                MPI_Win_allocate_shared(MPI_Aint(own), 1, neft_mpi_info_null(), node, $0, &window)
            }, "MPI_Win_allocate_shared")
        var size = MPI_Aint(0)
        var unit: Int32 = 0
        check(
            withUnsafeMutablePointer(to: &base) { MPI_Win_shared_query(window, 0, &size, &unit, $0) },
            "MPI_Win_shared_query")
        guard let base, size >= byteCount else { fail("MPI_Win_shared_query: \(size) bytes, not \(byteCount)") }
        if localRank == 0 { base.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount) }
        windows.append(window)
        barrier()
        return base
    }

    /// The library's own sum of floats over all ranks, in no particular order: what exchanges are measured against.
    public func librarySum(_ values: UnsafeMutableBufferPointer<Float>) {
        guard let base = values.baseAddress else { return }
        for (offset, count) in ChunkCuts(count: values.count, chunk: chunking.collectiveBytes) {
            check(
                MPI_Allreduce(
                    neft_mpi_in_place(), base + offset, count, neft_mpi_float(), neft_mpi_sum(), communicator),
                "MPI_Allreduce")
        }
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
}
