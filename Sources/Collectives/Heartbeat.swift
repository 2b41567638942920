import Foundation

/// Watches that the processes of all ranks are there, on a thread and over sockets of its own beside MPI, so that no
/// long step, load or evaluation counts as silence; but a stopped or killed process and a cut link do.
///
/// Every rank sends a small UDP packet to rank 0 each second, and rank 0 one to every rank, each with a random token of
/// the run. Sockets are bound to the one network that the hosts share; to the loopback interface on a single host.
public final class Heartbeat {
    private let loop: HeartbeatLoop

    private init(_ loop: HeartbeatLoop) { self.loop = loop }

    /// Begins to watch. Collective.
    ///
    /// - Parameters:
    ///   - communicator: the ranks of the run.
    ///   - timeout: seconds of silence that end the run; more than 0.
    ///   - onWarning: called on the watching thread of the rank that has missed another for a sixth of the timeout, with a
    ///     line that names it, and once more should it come back.
    ///   - onSilence: called on the watching thread of the rank that misses others, with a line that names them, and of
    ///     ranks that it could tell, with nil. It must end the process.
    /// - Throws: the same on every rank if packets do not pass between them; the run is then not watched.
    public static func start(
        over communicator: any Communicator, timeout: Double, onWarning: @escaping @Sendable (String) -> Void,
        onSilence: @escaping @Sendable (String?) -> Void
    ) throws(CollectiveError) -> Heartbeat {
        precondition(timeout > 0, "Heartbeat: a timeout of \(timeout) s")
        let rank = communicator.rank
        let hosts = communicator.allGather(Array(communicator.hostName.utf8)).map {
            String(decoding: $0, as: UTF8.self)
        }
        let network = HeartbeatNetwork.local(environment: ProcessInfo.processInfo.environment)
        let address = HeartbeatNetwork.address(of: communicator.allGather(network.bytes).map(HeartbeatNetwork.init))

        // Rank 0 listens; the others learn its port and the token.
        var socket = rank == 0 ? address.flatMap { HeartbeatSocket(listeningAt: $0) } : nil
        var random = SystemRandomNumberGenerator()
        let port = socket?.port ?? 0
        let invitation = communicator.broadcast(
            [UInt8(port >> 8), UInt8(port & 255)] + (0..<16).map { _ in UInt8.random(in: 0...255, using: &random) })
        let rootPort = UInt16(invitation[0]) << 8 | UInt16(invitation[1])
        if rank != 0, rootPort != 0, let address {
            socket = HeartbeatSocket(connectedTo: address, port: rootPort)
        }
        let loop = socket.flatMap {
            HeartbeatLoop(
                rank: rank, hosts: hosts, token: Array(invitation[2...]), socket: $0, timeout: timeout,
                onWarning: onWarning, onSilence: onSilence)
        }

        loop?.start()
        let unheard = loop.map { $0.waitForAll(seconds: min(5, timeout)) } ?? Set(rank == 0 ? 1..<hosts.count : 0..<1)
        let all = communicator.allGather(unheard.isEmpty ? [] : [1])
        let deaf = all.firstIndex { !$0.isEmpty }
        // A rank that has heard the others has a loop.
        if deaf == nil, let loop {
            loop.arm()
            return Heartbeat(loop)
        }
        loop?.stop()
        let name = deaf.map { "rank \($0) on \(hosts[$0])" } ?? "ranks"
        throw CollectiveError(
            subject: "heartbeat", found: "packets do not pass between \(name) and others",
            expected: "UDP over IPv4 between the hosts",
            hint: "ranks that hang are not noticed in this run; open the firewall between the hosts")
    }

    /// Ends watching on this rank. To be called by all of them at about the same time, or the others miss it.
    public func stop() { loop.stop() }
}
