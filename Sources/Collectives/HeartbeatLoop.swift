import Foundation

/// The thread of a `Heartbeat`: sends a packet every interval, and notices who sends none.
///
/// Rank 0 talks with all others, they with rank 0 alone.
final class HeartbeatLoop: @unchecked Sendable {
    private let rank: Int
    private let hosts: [String]
    private let token: [UInt8]
    private let socket: HeartbeatSocket
    private let timeout: Double
    private let interval: Double
    private let onWarning: @Sendable (String) -> Void
    private let onSilence: @Sendable (String?) -> Void
    private let wake: (read: Int32, write: Int32)

    private let condition = NSCondition()
    // Guarded by `condition`.
    private var isArmed = false
    private var isEnding = false
    private var hasEnded = false
    private var unheard: Set<Int>

    // The thread's own.
    /// By rank: when it was last heard of, seconds. Of ranks other than 0 only rank 0's counts.
    private var lastHeard: [Double]
    private var addresses: [sockaddr_in?]
    /// Those that a warning has named.
    private var missing: Set<Int> = []

    /// `hosts`: by rank.
    init?(
        rank: Int, hosts: [String], token: [UInt8], socket: HeartbeatSocket, timeout: Double,
        onWarning: @escaping @Sendable (String) -> Void, onSilence: @escaping @Sendable (String?) -> Void
    ) {
        self.rank = rank
        self.hosts = hosts
        self.token = token
        self.socket = socket
        self.timeout = timeout
        interval = min(1, timeout / 5)
        self.onWarning = onWarning
        self.onSilence = onSilence
        unheard = rank == 0 ? Set(1..<hosts.count) : [0]
        lastHeard = Array(repeating: 0, count: hosts.count)
        addresses = Array(repeating: nil, count: hosts.count)
        var ends: [Int32] = [-1, -1]
        guard pipe(&ends) == 0 else { return nil }
        for end in ends { _ = fcntl(end, F_SETFD, FD_CLOEXEC) }
        wake = (ends[0], ends[1])
    }

    deinit {
        close(wake.read)
        close(wake.write)
    }

    func start() {
        let thread = Thread { [self] in run() }
        thread.name = "neft-heartbeat"
        thread.start()
    }

    /// Waits until every rank that this one listens to has been heard of.
    /// - Returns: those that have not.
    func waitForAll(seconds: Double) -> Set<Int> {
        condition.withLock {
            let end = Date(timeIntervalSinceNow: seconds)
            while !unheard.isEmpty, condition.wait(until: end) {}
            return unheard
        }
    }

    /// From now on silence ends the run.
    func arm() { condition.withLock { isArmed = true } }

    /// Ends the thread and waits for its end.
    func stop() {
        condition.withLock { isEnding = true }
        var byte: UInt8 = 0
        _ = write(wake.write, &byte, 1)
        condition.withLock { while !hasEnded { condition.wait() } }
    }

    // MARK: - The thread

    private func run() {
        var nextBeat = Self.now
        var lastTurn = Self.now
        lastHeard = lastHeard.map { _ in Self.now }
        while !condition.withLock({ isEnding }) {
            let before = Self.now
            if before >= nextBeat {
                sendToAll(.beat)
                // Until all have answered the first beats follow each other quickly.
                nextBeat = before + (condition.withLock { unheard.isEmpty } ? interval : min(interval, 0.1))
            }
            receive()
            // Where this process itself was stopped (a suspended job) the silence was its own.
            let pause = Self.now - lastTurn
            if pause > 3 * interval { lastHeard = lastHeard.map { $0 + pause } }
            lastTurn = Self.now
            if condition.withLock({ isArmed && !isEnding }) { complain() }
            var descriptors = [
                pollfd(fd: socket.descriptor, events: Int16(POLLIN), revents: 0),
                pollfd(fd: wake.read, events: Int16(POLLIN), revents: 0),
            ]
            poll(&descriptors, 2, Int32(max(0, min(nextBeat - Self.now, interval)) * 1000) + 1)
        }
        condition.withLock {
            hasEnded = true
            condition.broadcast()
        }
    }

    private func receive() {
        while let (packet, from) = socket.receive() {
            guard packet.token == token, packet.rank != rank, hosts.indices.contains(packet.rank),
                rank == 0 || packet.rank == 0
            else { continue }
            if packet.kind == .end {
                onSilence(nil)
                continue
            }
            if missing.remove(packet.rank) != nil { onWarning("\(name(packet.rank)) is heard of again") }
            lastHeard[packet.rank] = Self.now
            addresses[packet.rank] = from
            condition.withLock {
                if unheard.remove(packet.rank) != nil { condition.broadcast() }
            }
        }
    }

    private func complain() {
        let now = Self.now
        let others = rank == 0 ? Array(1..<hosts.count) : [0]
        for other in others where now - lastHeard[other] > max(3 * interval, timeout / 6) {
            guard missing.insert(other).inserted else { continue }
            let (seconds, limit) = (now - lastHeard[other], timeout)
            onWarning(
                String(
                    format: "no sign of life from \(name(other)) for %.0f s; the run ends after %g s", seconds, limit))
        }
        let silent = others.filter { now - lastHeard[$0] > timeout }
        guard let first = silent.first else { return }
        // The others learn of it even where their launcher cannot reach them.
        if rank == 0 { for _ in 0..<3 { sendToAll(.end) } }
        let names = silent.prefix(8).map(name).joined(separator: ", ")
        let more = silent.count > 8 ? " and \(silent.count - 8) more" : ""
        let seconds = Int((now - lastHeard[first]).rounded())
        onSilence("no sign of life from \(names)\(more) for \(seconds) s: stopped, dead or cut off; the run ends")
    }

    private func name(_ rank: Int) -> String { "rank \(rank) on \(hosts[rank])" }

    private func sendToAll(_ kind: HeartbeatSocket.Packet.Kind) {
        let packet = HeartbeatSocket.Packet(token: token, kind: kind, rank: rank)
        if rank != 0 { return socket.send(packet) }
        for case let address? in addresses { socket.send(packet, to: address) }
    }

    /// Seconds of a clock that only goes forward.
    private static var now: Double { ProcessInfo.processInfo.systemUptime }
}
