import Collectives
import Foundation

/// Several ranks as threads of one process, so that code for many ranks runs unchanged in a unit test.
final class ThreadCommunicator: Communicator {
    /// What the ranks share: one slot per rank, filled and then read by all.
    private final class Hub: @unchecked Sendable {
        let size: Int
        private let condition = NSCondition()
        private var slots: [[UInt8]]
        private var arrived = 0
        private var round = 0
        private var gathered: [[UInt8]] = []

        init(size: Int) {
            self.size = size
            slots = Array(repeating: [], count: size)
        }

        func allGather(_ bytes: [UInt8], rank: Int) -> [[UInt8]] {
            condition.lock()
            defer { condition.unlock() }
            slots[rank] = bytes
            arrived += 1
            if arrived == size {
                // No rank can be a round ahead: it would need everyone else to arrive once more.
                gathered = slots
                arrived = 0
                round += 1
                condition.broadcast()
                return gathered
            }
            let mine = round
            while round == mine { condition.wait() }
            return gathered
        }
    }

    let rank: Int
    var size: Int { hub.size }
    private let hub: Hub

    private init(rank: Int, hub: Hub) {
        self.rank = rank
        self.hub = hub
    }

    func barrier() { _ = hub.allGather([], rank: rank) }

    func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) {
        bytes.copyBytes(from: hub.allGather(Array(bytes), rank: rank)[root])
    }

    func allGather(_ bytes: [UInt8]) -> [[UInt8]] { hub.allGather(bytes, rank: rank) }

    func exchange(
        sends: [(peer: Int, bytes: UnsafeRawBufferPointer)],
        receives: [(peer: Int, bytes: UnsafeMutableRawBufferPointer)]
    ) {
        fatalError("evaluation exchanges nothing between single ranks")
    }

    /// Runs `body` on `size` ranks at once and returns what each gave, by rank.
    static func run<Result: Sendable>(
        size: Int, _ body: @escaping @Sendable (any Communicator) -> Result
    ) -> [Result] {
        let hub = Hub(size: size)
        let results = Results<Result>(size: size)
        let group = DispatchGroup()
        for rank in 0..<size {
            group.enter()
            let thread = Thread {
                results.set(body(ThreadCommunicator(rank: rank, hub: hub)), at: rank)
                group.leave()
            }
            thread.start()
        }
        group.wait()
        return results.all
    }

    private final class Results<Value: Sendable>: @unchecked Sendable {
        private let lock = NSLock()
        private var values: [Value?]

        init(size: Int) { values = Array(repeating: nil, count: size) }

        func set(_ value: Value, at rank: Int) { lock.withLock { values[rank] = value } }

        var all: [Value] { lock.withLock { values.compactMap { $0 } } }
    }
}
