import Foundation
import TestSupport
import Testing

@testable import Collectives

@Suite struct HeartbeatTests {
    /// What every rank was told.
    private final class Log: @unchecked Sendable {
        private let lock = NSLock()
        private var lines: [Int: [String?]] = [:]

        func add(_ line: String?, rank: Int) { lock.withLock { lines[rank, default: []].append(line) } }
        subscript(rank: Int) -> [String?] { lock.withLock { lines[rank] ?? [] } }
    }

    /// Starts three ranks, stops one after a while, and waits longer than the timeout.
    private func run(stopping silent: Int?) -> (log: Log, warnings: Log, errors: [String?]) {
        let (log, warnings) = (Log(), Log())
        let errors = ThreadCommunicator.run(size: 3) { communicator -> String? in
            let rank = communicator.rank
            do throws(CollectiveError) {
                let heartbeat = try Heartbeat.start(over: communicator, timeout: 1) {
                    warnings.add($0, rank: rank)
                } onSilence: {
                    log.add($0, rank: rank)
                }
                Thread.sleep(forTimeInterval: 1.5)
                communicator.barrier()
                if rank == silent { heartbeat.stop() }
                Thread.sleep(forTimeInterval: 1.8)
                communicator.barrier()
                if rank != silent { heartbeat.stop() }
                return nil
            } catch {
                return error.description
            }
        }
        return (log, warnings, errors)
    }

    @Test func noComplaintWhileAllAreThere() {
        let (log, warnings, errors) = run(stopping: nil)
        #expect(errors == [nil, nil, nil])
        for rank in 0..<3 { #expect(log[rank].isEmpty && warnings[rank].isEmpty, "\(log[rank])") }
    }

    /// Rank 0 names the silent one and tells the other.
    @Test func aSilentRankIsNamed() throws {
        let (log, warnings, _) = run(stopping: 2)
        let line = try #require(log[0].first ?? nil)
        #expect(line.hasPrefix("no sign of life from rank 2 on \(localHostName()) for 1 s"), "\(line)")
        // Before, and once.
        #expect(warnings[0] == ["no sign of life from rank 2 on \(localHostName()) for 1 s; the run ends after 1 s"])
        #expect(log[1].first == .some(.none) && !log[1].isEmpty)
        #expect(log[2].isEmpty)
    }

    /// Nobody hears of the others any more: each says so.
    @Test func aSilentRankZeroIsNamedByAll() {
        let (log, _, _) = run(stopping: 0)
        for rank in 1..<3 {
            #expect(log[rank].first??.hasPrefix("no sign of life from rank 0 on ") == true, "\(log[rank])")
        }
    }

    @Test func packetsOfOthersMeanNothing() throws {
        let token = [UInt8](repeating: 7, count: 16)
        let packet = HeartbeatSocket.Packet(token: token, kind: .beat, rank: 5)
        #expect(HeartbeatSocket.Packet(packet.bytes) == packet)
        #expect(HeartbeatSocket.Packet(packet.bytes + [0]) == nil)
        #expect(HeartbeatSocket.Packet(Array(packet.bytes.dropLast())) == nil)
        var unknown = packet.bytes
        unknown[16] = 9
        #expect(HeartbeatSocket.Packet(unknown) == nil)

        let listener = try #require(HeartbeatSocket(listeningAt: HeartbeatNetwork.loopback))
        let sender = try #require(HeartbeatSocket(connectedTo: HeartbeatNetwork.loopback, port: listener.port))
        _ = send(sender.descriptor, unknown, unknown.count, 0)
        _ = send(sender.descriptor, token, 0, 0)
        sender.send(packet)
        Thread.sleep(forTimeInterval: 0.05)
        #expect(listener.receive()?.packet == packet)
        #expect(listener.receive() == nil)
    }
}

@Suite struct HeartbeatNetworkTests {
    private func host(_ place: String, _ interfaces: (String, UInt32)...) -> HeartbeatNetwork {
        HeartbeatNetwork(
            place: place, interfaces: interfaces.map { .init(name: $0.0, address: $0.1, mask: 0xFFFF_FF00) })
    }

    @Test func onOneHostNothingLeavesIt() {
        let ranks = [host("a", ("eth0", 0x0A4D_0001)), host("a", ("eth0", 0x0A4D_0001))]
        #expect(HeartbeatNetwork.address(of: ranks) == HeartbeatNetwork.loopback)
        #expect(HeartbeatNetwork.address(of: []) == nil)
        #expect(HeartbeatNetwork.address(of: [host("a"), host("b")]) == nil)
    }

    /// Not the bridge that every host has for itself, nor a network that not all are in.
    @Test func hostsMeetInTheirCommonNetwork() {
        let bridge: (String, UInt32) = ("docker0", 0xAC11_0001)
        let ranks = [
            host("a", bridge, ("public", 0x0102_0301), ("eth1", 0x0A4D_0001)),
            host("b", bridge, ("eth1", 0x0A4D_0002)), host("c", ("eth1", 0x0A4D_0003), bridge),
        ]
        #expect(HeartbeatNetwork.address(of: ranks) == 0x0A4D_0001)
        // Behind a router: rank 0's first.
        #expect(
            HeartbeatNetwork.address(of: [host("a", ("e", 0x0A01_0001)), host("b", ("e", 0x0A02_0001))]) == 0x0A01_0001)
    }

    @Test func readsWhatItSays() {
        let network = host("place:1", ("eth0", 0x0A4D_0001), ("ib0", 0xC0A8_0105))
        #expect(HeartbeatNetwork(bytes: network.bytes) == network)
        #expect(HeartbeatNetwork(bytes: []).interfaces.isEmpty)
        let interface = network.interfaces[1]
        for (pattern, holds) in [
            ("ib0", true), ("eth0", false), ("192.168.1.0/24", true), ("192.168.2.0/24", false), ("0.0.0.0/0", true),
            ("192.168.1.0/33", false), ("x/24", false),
        ] {
            #expect(HeartbeatNetwork.matches(interface, pattern) == holds, "\(pattern)")
        }
        #expect(!HeartbeatNetwork.local(environment: [:]).place.isEmpty)
        #expect(HeartbeatNetwork.local(environment: ["OMPI_MCA_btl_tcp_if_include": "none0"]).interfaces.isEmpty)
    }
}
