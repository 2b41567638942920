import Collectives
import Glibc

func bytes(_ count: Int, seed: Int) -> [UInt8] {
    var stream = Stream(seed, count)
    return (0..<count).map { _ in UInt8(truncatingIfNeeded: stream.next()) }
}

func checkCollectives(_ communicator: MPICommunicator) throws {
    let (rank, size) = (communicator.rank, communicator.size)
    try require(rank >= 0 && rank < size, "rank \(rank) is below \(size)")
    let hosts = communicator.allGather(Array(communicator.hostName.utf8))
    // One host, or several that are made up.
    try require(Set(hosts).count == 1, "\(hosts) are one host")
    let (nodes, perNode) = (communicator.nodeCount, communicator.ranksPerNode)
    try require(nodes * perNode == size, "\(nodes) hosts of \(perNode) ranks")
    try require(communicator.localRank == rank % perNode, "rank \(rank) is number \(communicator.localRank) there")

    // What one rank of a host writes into shared memory is there for the others.
    let shared = communicator.sharedMemory(byteCount: 8 * perNode).assumingMemoryBound(to: Int.self)
    for index in 0..<perNode { try require(shared[index] == 0, "shared memory is zeroed") }
    communicator.barrier()
    shared[communicator.localRank] = rank + 1
    communicator.barrier()
    for index in 0..<perNode {
        try require(shared[index] == rank - communicator.localRank + index + 1, "\(shared[index]) of rank \(index)")
    }
    for (index, count) in [0, 1, 4_098, 4_099, 4_100, 50_000].enumerated() {
        let root = index % size
        let sent = bytes(count, seed: 7 + root)
        let got = communicator.broadcast(rank == root ? sent : [], root: root)
        try require(got == sent, "broadcast of \(count) bytes from rank \(root)")
    }
    // Lengths differ, some are 0.
    let all = communicator.allGather(bytes(rank * 7_001, seed: rank))
    for peer in 0..<size {
        try require(all[peer] == bytes(peer * 7_001, seed: peer), "what was gathered of rank \(peer)")
    }

    // No rank leaves the barrier before the last one has come to it.
    communicator.barrier()
    let start = ContinuousClock.now
    if rank == size - 1 { usleep(300_000) }
    communicator.barrier()
    let waited = ContinuousClock.now - start
    // This rank may have left the first barrier later than the last one did.
    try require(waited > .milliseconds(100), "the barrier waits for the last rank (\(waited))")
}

func checkExchange(_ communicator: MPICommunicator) throws {
    let (rank, size) = (communicator.rank, communicator.size)
    for round in 0..<20 {
        /// The length of the `index`-th message from one rank to another; a third are empty.
        func length(_ from: Int, _ to: Int, _ index: Int) -> Int {
            var stream = Stream(round, from, to, index)
            let kind = Int.random(in: 0..<3, using: &stream)
            return kind == 0 ? 0 : Int.random(in: 1...(kind == 1 ? 100 : 200_000), using: &stream)
        }
        func message(_ from: Int, _ to: Int, _ index: Int) -> [UInt8] {
            bytes(length(from, to, index), seed: from * 100 + to * 10 + index)
        }
        // Two messages for every rank, oneself included, of which the order must hold.
        let pairs = (0..<size).flatMap { peer in [(peer, 0), (peer, 1)] }
        let out = pairs.map { peer, index in
            let message = message(rank, peer, index)
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: message.count, alignment: 1)
            buffer.copyBytes(from: message)
            return (peer: peer, bytes: UnsafeRawBufferPointer(buffer))
        }
        let into = pairs.map { peer, index in
            let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: length(peer, rank, index), alignment: 1)
            return (peer: peer, bytes: buffer)
        }
        var pieces = 0
        communicator.exchange(sends: out, receives: into) {
            pieces += 1
            return pieces < 5 ? .worked : .finished
        }
        for ((peer, index), got) in zip(pairs, into) {
            try require(
                Array(got.bytes) == message(peer, rank, index), "message \(index) from rank \(peer), round \(round)")
        }
        try require(pieces <= 5, "no work is asked for after there is none left")
        for buffer in out { buffer.bytes.deallocate() }
        for buffer in into { buffer.bytes.deallocate() }
    }
}

/// 300 MB each way around a ring, and as a broadcast.
func checkLargeTransfer(_ communicator: MPICommunicator) throws {
    let count = 300_000_001
    let out = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
    let into = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 64)
    defer {
        out.deallocate()
        into.deallocate()
    }
    try checkRing(communicator, out, into, period: count)
}

/// Sends `out` to the right neighbour, from the left one into `into`, and then rank 1's `out` to all.
/// - Parameter period: after so many bytes the buffers' memory shows up again.
private func checkRing(
    _ communicator: MPICommunicator, _ out: UnsafeMutableRawBufferPointer, _ into: UnsafeMutableRawBufferPointer,
    period: Int
) throws {
    let (rank, size) = (communicator.rank, communicator.size)
    func pattern(_ rank: Int, _ index: Int) -> UInt8 { UInt8(truncatingIfNeeded: index &* 31 &+ index >> 11 &+ rank) }
    for index in 0..<period { out[index] = pattern(rank, index) }
    communicator.exchange(
        sends: [((rank + 1) % size, UnsafeRawBufferPointer(out))], receives: [((rank + size - 1) % size, into)])
    let left = (rank + size - 1) % size
    for index in 0..<period where into[index] != pattern(left, index) {
        throw Failure(description: "byte \(index) from rank \(left) is wrong")
    }
    communicator.broadcast(out, root: 1)
    for index in 0..<period where out[index] != pattern(1, index) {
        throw Failure(description: "byte \(index) of the broadcast is wrong")
    }
}

/// More than 2³¹ bytes each way around a ring, and as a broadcast. Both buffers are 16 MB of memory that show up again and
/// again in a long range of addresses: who takes an offset for 32 bits wide leaves that range.
func checkHugeTransfer(_ communicator: MPICommunicator) throws {
    let period = 1 << 24
    let count = 1 << 31 + 5 * period + 12_345
    func repeated(_ name: String) throws -> UnsafeMutableRawBufferPointer {
        let descriptor = shm_open(name, O_CREAT | O_EXCL | O_RDWR, 0o600)
        try require(descriptor >= 0 && ftruncate(descriptor, period) == 0, "16 MB of memory")
        shm_unlink(name)
        let space = mmap(nil, count + period, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0)
        guard let space, space != MAP_FAILED else { throw Failure(description: "\(count) bytes of addresses") }
        for offset in stride(from: 0, to: count, by: period) {
            let place = mmap(
                space + offset, period, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_FIXED, descriptor, 0)
            try require(place == space + offset, "a mapping in place")
        }
        close(descriptor)
        return UnsafeMutableRawBufferPointer(start: space, count: count)
    }
    let (out, into) = (try repeated("/neft-check-\(getpid())-out"), try repeated("/neft-check-\(getpid())-in"))
    defer {
        munmap(out.baseAddress, count + period)
        munmap(into.baseAddress, count + period)
    }
    try checkRing(communicator, out, into, period: period)
}

func checkAgreement(_ communicator: MPICommunicator) throws {
    let rank = communicator.rank
    try require(communicator.disagreement(on: "same") == nil, "equal values agree")
    try communicator.requireAgreement(on: "model.gguf", value: "sha256:aa")
    let odd = communicator.size - 1
    let value = rank == odd ? "sha256:bb" : "sha256:aa"
    let host = String(decoding: communicator.allGather(Array(communicator.hostName.utf8))[odd], as: UTF8.self)
    let all = communicator.disagreement(on: value)
    try require(
        all?.map(\.rank) == Array(0..<communicator.size) && all?[odd].value == "sha256:bb"
            && all?[odd].host == host, "every rank's value is told")
    do {
        try communicator.requireAgreement(on: "model.gguf", value: value)
        throw Failure(description: "a disagreement went unnoticed")
    } catch let error as CollectiveError {
        let text = "\(error)"
        try require(
            text.hasPrefix("model.gguf: rank \(odd) on \(host) has sha256:bb; expected sha256:aa"),
            text)
    }
}

/// Ends with exit code 42 by rank 1; the others wait for it.
func checkAbort(_ communicator: MPICommunicator) throws {
    communicator.barrier()
    if communicator.rank == 1 {
        complain("rank 1 on \(communicator.hostName): gives up")
        communicator.abort(code: 42)
    }
    communicator.barrier()
    throw Failure(description: "rank \(communicator.rank) left a barrier that rank 1 never reached")
}

/// Ends with an MPI error: rank 0 sends more than rank 1 expects.
func checkLengthMismatch(_ communicator: MPICommunicator) throws {
    var buffer = [UInt8](repeating: 1, count: 1_000)
    let rank = communicator.rank
    buffer.withUnsafeMutableBytes { buffer in
        if rank == 0 {
            communicator.exchange(sends: [(1, UnsafeRawBufferPointer(buffer))], receives: [])
        } else if rank == 1 {
            communicator.exchange(sends: [], receives: [(0, .init(rebasing: buffer[..<500]))])
        }
    }
    communicator.barrier()
    throw Failure(description: "a message longer than its buffer went unnoticed")
}
