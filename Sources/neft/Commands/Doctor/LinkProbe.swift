import Collectives
import Foundation
import Reporting

/// A measured link between two ranks.
struct Link: Equatable {
    var from: String
    var to: String
    /// Half of a round trip of one byte, seconds.
    var latencySeconds: Double
    /// Bytes per second in each direction while both are busy.
    var bytesPerSecond: Double

    var json: JSONValue {
        [
            "from": .string(from), "to": .string(to), "latencySeconds": .double(latencySeconds),
            "bytesPerSecond": .double(bytesPerSecond),
        ]
    }
}

/// Measures links between neighbouring hosts, in a ring so that every host's interface is measured twice.
enum LinkProbe {
    /// Collective. On one host with several ranks: its shared memory.
    /// `hosts`: by rank.
    /// - Returns: on rank 0; empty on the others.
    static func measure(hosts: [String], over communicator: any Communicator) -> [Link] {
        var leaders: [Int] = []
        for (rank, host) in hosts.enumerated() where !leaders.contains(where: { hosts[$0] == host }) {
            leaders.append(rank)
        }
        if leaders.count == 1, hosts.count > 1 { leaders = [0, 1] }
        let count = leaders.count
        guard count > 1 else { return [] }
        let pairs = count == 2 ? [(0, 1)] : (0..<count).map { ($0, ($0 + 1) % count) }
        var own: [Double] = []
        // Pairs of a round share no host: each has its interfaces to itself. An odd ring needs three rounds.
        for round in 0..<3 {
            let active = pairs.enumerated().filter { index, _ in
                (index == count - 1 && count % 2 == 1 ? 2 : index % 2) == round
            }
            let mine = active.first { leaders[$0.1.0] == communicator.rank || leaders[$0.1.1] == communicator.rank }
            let peer = mine.map { leaders[$0.1.0] == communicator.rank ? leaders[$0.1.1] : leaders[$0.1.0] }
            let isFirst = mine.map { leaders[$0.1.0] == communicator.rank } ?? false
            let latency = roundTrip(peer, isFirst: isFirst, communicator) / 2
            let speed = bandwidth(peer, communicator)
            if isFirst, let mine { own += [Double(mine.0), latency, speed] }
        }
        let all = communicator.allGather(own.withUnsafeBytes { Array($0) })
        guard communicator.rank == 0 else { return [] }
        let figures = all.flatMap { bytes in
            bytes.withUnsafeBytes { raw in
                stride(from: 0, to: raw.count, by: 24).map { at in
                    (0..<3).map { raw.loadUnaligned(fromByteOffset: at + 8 * $0, as: Double.self) }
                }
            }
        }
        return figures.sorted { $0[0] < $1[0] }.map { figure in
            let (from, to) = pairs[Int(figure[0])]
            return Link(
                from: hosts[leaders[from]], to: hosts[leaders[to]], latencySeconds: figure[1],
                bytesPerSecond: figure[2])
        }
    }

    /// Median of twenty-one round trips of one byte.
    private static func roundTrip(_ peer: Int?, isFirst: Bool, _ communicator: any Communicator) -> Double {
        var times: [Double] = []
        let out: [UInt8] = [1]
        var back: [UInt8] = [0]
        for _ in 0..<21 {
            communicator.barrier()
            guard let peer else { continue }
            let start = ContinuousClock.now
            back.withUnsafeMutableBytes { back in
                out.withUnsafeBytes { out in
                    if isFirst { communicator.exchange(sends: [(peer, out)], receives: []) }
                    communicator.exchange(sends: [], receives: [(peer, back)])
                    if !isFirst { communicator.exchange(sends: [(peer, out)], receives: []) }
                }
            }
            times.append((ContinuousClock.now - start) / .seconds(1))
        }
        return times.sorted().dropFirst(times.count / 2).first ?? 0
    }

    /// Of buffers that grow until one takes a fifth of a second, or 256 MB.
    private static func bandwidth(_ peer: Int?, _ communicator: any Communicator) -> Double {
        var (size, speed) = (1 << 20, 0.0)
        while true {
            var seconds = 0.0
            if let peer {
                let out = [UInt8](repeating: 1, count: size)
                var back = [UInt8](repeating: 0, count: size)
                let start = ContinuousClock.now
                back.withUnsafeMutableBytes { back in
                    out.withUnsafeBytes { communicator.exchange(sends: [(peer, $0)], receives: [(peer, back)]) }
                }
                seconds = (ContinuousClock.now - start) / .seconds(1)
                speed = Double(size) / seconds
            }
            let isSlow = communicator.allGather([seconds > 0.2 || peer == nil ? 1 : 0])
            if size >= 256 << 20 || isSlow.allSatisfy({ $0[0] == 1 }) { return speed }
            size *= 4
        }
    }

    static func lines(_ links: [Link]) -> [String] {
        links.map {
            "\($0.from) – \($0.to)\($0.from == $0.to ? " (two ranks of the host)" : ""): "
                + "\(String(format: "%.0f", $0.latencySeconds * 1e6)) µs, "
                + "\(Human.bytes(Int($0.bytesPerSecond)))/s each way"
        }
    }
}
