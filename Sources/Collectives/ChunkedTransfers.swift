import CMPI

/// Moves buffers between ranks in chunks, several per peer and direction under way at once.
///
/// The chunks of one buffer match by their order, which MPI keeps; several buffers between the same two ranks are told
/// apart by their tag, as their chunks may interleave. Both ends cut alike, because the size of a
/// chunk depends only on whether the two share a host.
final class ChunkedTransfers {
    /// One buffer on its way.
    private struct Lane {
        let peer: Int32
        /// How many buffers to (or from) the same peer came before this one.
        let tag: Int32
        let base: UnsafeMutableRawPointer
        let count: Int
        let isSend: Bool
        var cuts: ChunkCuts
        var arrived = 0
    }

    private unowned let owner: MPICommunicator
    private let window: Int
    private var lanes: [Lane] = []
    /// `window` slots per lane.
    private var requests: [MPI_Request?] = []
    private var postedBytes: [Int32] = []
    private var indices: [Int32] = []
    private var statuses: [MPI_Status] = []

    init(owner: MPICommunicator) {
        self.owner = owner
        window = owner.chunking.inFlight
    }

    func run(
        sends: [(peer: Int, bytes: UnsafeRawBufferPointer)],
        receives: [(peer: Int, bytes: UnsafeMutableRawBufferPointer)],
        meanwhile: () -> PieceOfWork
    ) {
        copyToSelf(sends: sends, receives: receives)
        // Receives first: a chunk that finds its buffer waiting is not copied twice.
        lanes.removeAll(keepingCapacity: true)
        for (peer, bytes) in receives { add(peer, bytes.baseAddress, bytes.count, isSend: false) }
        for (peer, bytes) in sends {
            add(peer, UnsafeMutableRawPointer(mutating: bytes.baseAddress), bytes.count, isSend: true)
        }
        guard !lanes.isEmpty else { return }
        reserveSlots()

        // A lane's first chunks are spread over all peers before any gets its second.
        for slot in 0..<window {
            for lane in lanes.indices { post(lane: lane, slot: lane * window + slot) }
        }
        var open = lanes.count
        var mayWork = true
        var poll = PollPacing()
        while open > 0 {
            let completed = testSome()
            for index in 0..<completed {
                let slot = Int(indices[index])
                let lane = slot / window
                verify(lane: lane, slot: slot, status: statuses[index])
                lanes[lane].arrived += Int(postedBytes[slot])
                if lanes[lane].arrived == lanes[lane].count { open -= 1 }
                post(lane: lane, slot: slot)
            }
            if completed > 0 {
                poll.progressed()
                continue
            }
            var work = PieceOfWork.finished
            if mayWork { work = meanwhile() }
            if work == .finished { mayWork = false }
            if work != .worked { poll.idle() }
        }
    }

    private func copyToSelf(
        sends: [(peer: Int, bytes: UnsafeRawBufferPointer)],
        receives: [(peer: Int, bytes: UnsafeMutableRawBufferPointer)]
    ) {
        var next = receives.startIndex
        for (peer, bytes) in sends where peer == owner.rank {
            while next < receives.endIndex, receives[next].peer != owner.rank { next += 1 }
            precondition(
                next < receives.endIndex && receives[next].bytes.count == bytes.count,
                "exchange: a transfer to oneself needs a receive of the same length")
            receives[next].bytes.copyMemory(from: bytes)
            next += 1
        }
    }

    private func add(_ peer: Int, _ base: UnsafeMutableRawPointer?, _ count: Int, isSend: Bool) {
        precondition(peer >= 0 && peer < owner.size, "exchange: no rank \(peer)")
        guard let base, count > 0, peer != owner.rank else { return }
        let sameHost = owner.nodeOfRank[peer] == owner.nodeOfRank[owner.rank]
        let chunk = sameHost ? owner.chunking.localBytes : owner.chunking.remoteBytes
        let tag = lanes.count { $0.peer == peer && $0.isSend == isSend }
        lanes.append(
            Lane(
                peer: Int32(peer), tag: Int32(tag), base: base, count: count, isSend: isSend,
                cuts: ChunkCuts(count: count, chunk: chunk)))
    }

    private func reserveSlots() {
        let needed = lanes.count * window
        guard requests.count < needed else { return }
        requests = .init(repeating: neft_mpi_request_null(), count: needed)
        postedBytes = .init(repeating: 0, count: needed)
        indices = .init(repeating: 0, count: needed)
        statuses = .init(repeating: MPI_Status(), count: needed)
    }

    /// Starts the lane's next chunk in `slot`, if there is one.
    private func post(lane: Int, slot: Int) {
        guard let (offset, count) = lanes[lane].cuts.next() else { return }
        postedBytes[slot] = count
        let address = lanes[lane].base + offset
        if lanes[lane].isSend {
            owner.check(
                MPI_Isend(
                    address, count, neft_mpi_byte(), lanes[lane].peer, lanes[lane].tag, owner.communicator,
                    &requests[slot]), "MPI_Isend")
        } else {
            owner.check(
                MPI_Irecv(
                    address, count, neft_mpi_byte(), lanes[lane].peer, lanes[lane].tag, owner.communicator,
                    &requests[slot]), "MPI_Irecv")
        }
    }

    /// The number of requests that have completed since the last call; `indices` says which.
    private func testSome() -> Int {
        var completed: Int32 = 0
        let code = MPI_Testsome(Int32(lanes.count * window), &requests, &completed, &indices, &statuses)
        if code == MPI_ERR_IN_STATUS {
            for index in 0..<Int(max(completed, 0)) where statuses[index].MPI_ERROR != MPI_SUCCESS {
                let lane = lanes[Int(indices[index]) / window]
                owner.fail(
                    "transfer \(lane.isSend ? "to" : "from") rank \(lane.peer): "
                        + MPICommunicator.text(of: statuses[index].MPI_ERROR))
            }
        }
        owner.check(code, "MPI_Testsome")
        return Int(max(completed, 0))
    }

    /// MPI accepts a message shorter than its buffer; here it means that two ranks disagree on a length.
    private func verify(lane: Int, slot: Int, status: MPI_Status) {
        guard !lanes[lane].isSend else { return }
        var status = status
        var count: Int32 = 0
        owner.check(MPI_Get_count(&status, neft_mpi_byte(), &count), "MPI_Get_count")
        guard count != postedBytes[slot] else { return }
        owner.fail(
            "transfer from rank \(lanes[lane].peer): a message of \(count) bytes came where \(postedBytes[slot]) "
                + "were expected: the ranks disagree on a length")
    }
}
