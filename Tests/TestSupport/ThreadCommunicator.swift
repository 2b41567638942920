import Collectives
import Foundation

/// Several ranks as threads of one process, so that code for many ranks runs unchanged in a unit test.
public final class ThreadCommunicator: Communicator {
    /// What the ranks share.
    private final class Hub: @unchecked Sendable {
        let size: Int
        private let condition = NSCondition()
        /// One slot per rank, filled and then read by all.
        private var slots: [[UInt8]]
        private var arrived = 0
        private var round = 0
        private var gathered: [[UInt8]] = []
        /// Messages on their way, oldest first, `[from][to]`.
        private var mail: [[[[UInt8]]]]
        let ranksPerNode: Int
        /// By node, then in the order of the calls.
        private var memory: [[UnsafeMutableRawBufferPointer]]

        init(size: Int, ranksPerNode: Int) {
            self.size = size
            self.ranksPerNode = ranksPerNode
            memory = Array(repeating: [], count: size / ranksPerNode)
            slots = Array(repeating: [], count: size)
            mail = Array(repeating: Array(repeating: [], count: size), count: size)
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

        deinit { memory.joined().forEach { $0.deallocate() } }

        func sharedMemory(node: Int, call: Int, byteCount: Int) -> UnsafeMutableRawPointer {
            condition.lock()
            defer { condition.unlock() }
            if memory[node].count == call {
                memory[node].append(.allocate(byteCount: byteCount, alignment: 64))
                memory[node][call].initializeMemory(as: UInt8.self, repeating: 0)
            }
            return memory[node][call].baseAddress!
        }

        func send(_ bytes: [UInt8], from: Int, to: Int) {
            condition.lock()
            defer { condition.unlock() }
            mail[from][to].append(bytes)
            condition.broadcast()
        }

        func receive(from: Int, to: Int) -> [UInt8] {
            condition.lock()
            defer { condition.unlock() }
            while mail[from][to].isEmpty { condition.wait() }
            return mail[from][to].removeFirst()
        }
    }

    public let rank: Int
    public var size: Int { hub.size }
    public var ranksPerNode: Int { hub.ranksPerNode }
    private let hub: Hub
    private var memoryCalls = 0
    /// What each transfer takes.
    private let delay: Duration

    private init(rank: Int, hub: Hub, delay: Duration) {
        self.rank = rank
        self.hub = hub
        self.delay = delay
    }

    public func barrier() { _ = hub.allGather([], rank: rank) }

    public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) {
        let all = hub.allGather(Array(bytes), rank: rank)
        precondition(all[root].count == bytes.count, "broadcast: lengths differ")
        bytes.copyBytes(from: all[root])
    }

    public func allGather(_ bytes: [UInt8]) -> [[UInt8]] { hub.allGather(bytes, rank: rank) }

    public func exchange(
        sends: [(peer: Int, bytes: UnsafeRawBufferPointer)],
        receives: [(peer: Int, bytes: UnsafeMutableRawBufferPointer)]
    ) {
        if delay > .zero { Thread.sleep(forTimeInterval: delay / .seconds(1)) }
        for send in sends where !send.bytes.isEmpty { hub.send(Array(send.bytes), from: rank, to: send.peer) }
        for receive in receives where !receive.bytes.isEmpty {
            let bytes = hub.receive(from: receive.peer, to: rank)
            precondition(bytes.count == receive.bytes.count, "exchange: lengths differ")
            receive.bytes.copyBytes(from: bytes)
        }
    }

    public func sharedMemory(byteCount: Int) -> UnsafeMutableRawPointer {
        defer { memoryCalls += 1 }
        return hub.sharedMemory(node: rank / ranksPerNode, call: memoryCalls, byteCount: byteCount)
    }

    /// Runs `body` on `size` ranks at once and returns what each gave, by rank.
    /// - Parameter delay: what a call of `exchange` takes at least.
    public static func run<Result: Sendable>(
        size: Int, ranksPerNode: Int = 1, delay: Duration = .zero,
        _ body: @escaping @Sendable (any Communicator) -> Result
    ) -> [Result] {
        let hub = Hub(size: size, ranksPerNode: ranksPerNode)
        let results = Results<Result>(size: size)
        let group = DispatchGroup()
        for rank in 0..<size {
            group.enter()
            let thread = Thread {
                results.set(body(ThreadCommunicator(rank: rank, hub: hub, delay: delay)), at: rank)
                group.leave()
            }
            thread.stackSize = 8 << 20
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
