import Glibc
import Kernels

/// Exchanges recorded gradients and weights again and again, and measures it.
public final class ExchangeReplay {
    /// Medians over the steps of what the slowest rank took, seconds; bytes are means of this rank's steps.
    public struct Result: Equatable, Sendable {
        /// Bytes sent in a step.
        public var wireBytes = 0.0
        /// Of them, those of the gradients.
        public var reduceWireBytes = 0.0
        /// What `wireBytes` would be as plain floats.
        public var rawBytes = 0.0
        /// Sum of gradients with their norm, and weights back.
        public var reduceSeconds = 0.0
        /// The second half of it: weights back.
        public var shareSeconds = 0.0
        /// Both halves.
        public var seconds: Double { reduceSeconds + shareSeconds }
        /// Of this rank, per step.
        public var encodeSeconds = 0.0
        /// Of this rank, per step, as `encodeSeconds`.
        public var decodeSeconds = 0.0
        /// What steps that compute waited for of `reduceSeconds` and `shareSeconds`; nil if none were replayed.
        public var exposedReduceSeconds: Double?
        /// As `exposedReduceSeconds`, of the weights.
        public var exposedShareSeconds: Double?
        /// Share of `seconds` that steps that compute did not wait for, 0…1.
        public var hiddenShare: Double? {
            guard let exposedReduceSeconds, let exposedShareSeconds, seconds > 0 else { return nil }
            return max(0, 1 - (exposedReduceSeconds + exposedShareSeconds) / seconds)
        }
        /// Whether the gradients were compressed, and on what grounds.
        public var gradientCodec: CodecChoice?
        /// Whether the weights were compressed, and on what grounds.
        public var weightCodec: CodecChoice?
        /// Ranks that sum in shared memory first, 1 where none do.
        public var groupSize = 1
    }

    private let communicator: any Communicator
    private var count: Int { gradient.count }
    private let gradient: UnsafeBufferPointer<Float>
    private let before: UnsafeBufferPointer<Float>
    private let after: UnsafeBufferPointer<Float>
    private let work: TensorStorage
    private let sink: TensorStorage

    /// - Parameters:
    ///   - communicator: the ranks of the run.
    ///   - gradient: this rank's packed gradient.
    ///   - before: the packed weights before a step; the same on all ranks. All are read only, and of one length.
    ///   - after: the packed weights after it.
    public init(
        communicator: any Communicator, gradient: UnsafeBufferPointer<Float>, before: UnsafeBufferPointer<Float>,
        after: UnsafeBufferPointer<Float>
    ) {
        precondition(gradient.count == before.count && before.count == after.count, "ExchangeReplay: lengths differ")
        self.communicator = communicator
        self.gradient = gradient
        self.before = before
        self.after = after
        work = TensorStorage(count: gradient.count)
        sink = TensorStorage(count: gradient.count)
    }

    /// Collective.
    /// - Parameters:
    ///   - options: how the values travel.
    ///   - steps: how many are measured, at least 1, after some that warm up.
    ///   - computeSeconds: of a step, replayed as pauses: a third for a forward pass that needs one bucket of the
    ///     last step's weights before each of them, two thirds for a backward pass after each of which one bucket of
    ///     gradients is ready.
    public func run(_ options: ExchangeOptions, steps: Int, computeSeconds: Double? = nil) throws(CollectiveError)
        -> Result
    {
        let exchange = RowExchange(communicator: communicator, count: gradient.count, options: options)
        let warmup = options.codec == .auto ? CodecChoice.trials + 1 : 2
        var (reduces, shares): ([Double], [Double]) = ([], [])
        for step in 0..<warmup + steps {
            if step == warmup { _ = exchange.takeStatistics() }
            let reduced = try reduce(exchange)
            let shared = try share(exchange)
            guard step >= warmup else { continue }
            reduces.append(reduced)
            shares.append(shared)
        }
        let statistics = exchange.takeStatistics()
        var result = Result()
        if let computeSeconds {
            let exposed = try replay(exchange, steps: steps, computeSeconds: computeSeconds)
            result.exposedReduceSeconds = median(exposed.reduce)
            result.exposedShareSeconds = median(exposed.share)
        }
        result.wireBytes = Double(statistics.wireBytes) / Double(steps)
        result.reduceWireBytes = Double(statistics.reduceWireBytes) / Double(steps)
        result.rawBytes = Double(statistics.rawBytes) / Double(steps)
        result.encodeSeconds = statistics.encodeSeconds / Double(steps)
        result.decodeSeconds = statistics.decodeSeconds / Double(steps)
        result.reduceSeconds = median(reduces)
        result.shareSeconds = median(shares)
        result.gradientCodec = exchange.gradientCodec
        result.weightCodec = exchange.weightCodec
        result.groupSize = exchange.groupSize
        return result
    }

    /// Collective: the MPI library's own sum of the gradient, seconds.
    public func librarySum(_ mpi: MPICommunicator, steps: Int) -> Double {
        median(
            (0..<steps + 2).map { _ in
                prepare(gradient)
                return timed { mpi.librarySum(work.buffer) }
            }.suffix(steps))
    }

    private func prepare(_ values: UnsafeBufferPointer<Float>) {
        guard let base = values.baseAddress else { return }
        work.pointer.update(from: base, count: values.count)
        communicator.barrier()
    }

    private func reduce(_ exchange: RowExchange) throws(CollectiveError) -> Double {
        prepare(gradient)
        return try timed { () throws(CollectiveError) in
            try exchange.reduce(work.buffer, leafCount: communicator.size)
            _ = exchange.norm(work.buffer)
        }
    }

    /// Steps with a computation, one after another as a trainer does them.
    /// - Returns: by step, what the rank that waited most waited for gradients and for weights, seconds.
    private func replay(
        _ exchange: RowExchange, steps: Int, computeSeconds: Double
    ) throws(CollectiveError) -> (reduce: [Double], share: [Double]) {
        guard let before = before.baseAddress, let after = after.baseAddress, let gradient = gradient.baseAddress
        else { return ([], []) }
        let forward = Array(0..<exchange.slices.bucketCount)
        let third = computeSeconds / 3 / Double(forward.count)
        let sink = sink.pointer
        var (reduces, shares): ([Double], [Double]) = ([], [])
        func clock(_ body: () throws(CollectiveError) -> Void) throws(CollectiveError) -> Double {
            let start = ContinuousClock.now
            try body()
            return (ContinuousClock.now - start).seconds
        }
        communicator.barrier()
        // Nothing is on its way when the first step begins: it is not counted.
        for _ in 0...steps {
            var waited = 0.0
            for bucket in forward {
                waited += try clock { () throws(CollectiveError) in exchange.waitForShared(bucket: bucket) }
                pause(seconds: third)
            }
            waited += try clock { () throws(CollectiveError) in try exchange.finishShare() }
            shares.append(waited)
            work.pointer.update(from: gradient, count: count)
            exchange.startReduce(work.buffer, leafCount: communicator.size, order: forward.reversed())
            for bucket in forward.reversed() {
                pause(seconds: 2 * third)
                exchange.gradientIsReady(bucket: bucket)
            }
            reduces.append(
                try clock { () throws(CollectiveError) in
                    try exchange.finishReduce()
                    _ = exchange.norm(work.buffer)
                })
            exchange.startShare(
                work.buffer, order: forward, read: { $1.update(from: before + $0.lowerBound, count: $0.count) },
                write: { (sink + $0.lowerBound).update(from: $1, count: $0.count) })
            for bucket in forward {
                let own = exchange.slices.slice(bucket, of: communicator.rank)
                (work.pointer + own.lowerBound).update(from: after + own.lowerBound, count: own.count)
                exchange.valuesAreReady(bucket: bucket)
            }
        }
        try exchange.finishShare()
        return (slowest(reduces.dropFirst()), slowest(shares.dropFirst()))
    }

    /// By element, the most of any rank.
    private func slowest(_ own: some Collection<Double>) -> [Double] {
        var most = [Double](repeating: 0, count: own.count)
        for bytes in communicator.allGather(Array(own).withUnsafeBytes { Array($0) }) {
            bytes.withUnsafeBytes { raw in
                for index in most.indices {
                    most[index] = max(most[index], raw.loadUnaligned(fromByteOffset: index * 8, as: Double.self))
                }
            }
        }
        return most
    }

    private func share(_ exchange: RowExchange) throws(CollectiveError) -> Double {
        prepare(after)
        guard let before = before.baseAddress else { return 0 }
        return try timed { () throws(CollectiveError) in
            try exchange.share(
                work.buffer, read: { $1.update(from: before + $0.lowerBound, count: $0.count) },
                write: { (sink.pointer + $0.lowerBound).update(from: $1, count: $0.count) })
        }
    }

    /// Seconds that the slowest rank took.
    private func timed<Failure: Error>(_ body: () throws(Failure) -> Void) throws(Failure) -> Double {
        let start = ContinuousClock.now
        try body()
        return slowest(CollectionOfOne((ContinuousClock.now - start).seconds))[0]
    }

    private func pause(seconds: Double) {
        var time = timespec(tv_sec: Int(seconds), tv_nsec: Int((seconds - seconds.rounded(.down)) * 1e9))
        nanosleep(&time, nil)
    }

    private func median(_ values: some Collection<Double>) -> Double {
        let sorted = values.sorted()
        return sorted.isEmpty ? 0 : sorted[sorted.count / 2]
    }
}
