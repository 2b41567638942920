import Glibc
import Kernels

/// Exchanges recorded gradients and weights again and again, and measures it.
public final class ExchangeReplay {
    /// Medians over the steps of what the slowest rank took, seconds; bytes are means of this rank's steps.
    public struct Result: Equatable, Sendable {
        public var wireBytes = 0.0
        public var reduceWireBytes = 0.0
        public var rawBytes = 0.0
        /// Sum of gradients with their norm, and weights back.
        public var reduceSeconds = 0.0
        public var shareSeconds = 0.0
        public var seconds: Double { reduceSeconds + shareSeconds }
        /// Of this rank, per step.
        public var encodeSeconds = 0.0
        public var decodeSeconds = 0.0
        /// What is left of `reduceSeconds` behind a backward pass of `computeSeconds`; nil if none was replayed.
        public var exposedReduceSeconds: Double?
        public var gradientCodec: CodecChoice?
        public var weightCodec: CodecChoice?
        public var groupSize = 1
    }

    private let communicator: any Communicator
    private let gradient: UnsafeBufferPointer<Float>
    private let before: UnsafeBufferPointer<Float>
    private let after: UnsafeBufferPointer<Float>
    private let work: TensorStorage
    private let sink: TensorStorage

    /// - Parameters:
    ///   - gradient: this rank's packed gradient.
    ///   - before, after: the packed weights around a step; the same on all ranks. All are read only, and of one length.
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
    /// - Parameter computeSeconds: replays a backward pass of this length as pauses after which one bucket each is
    ///   ready.
    public func run(_ options: ExchangeOptions, steps: Int, computeSeconds: Double? = nil) throws(CollectiveError)
        -> Result
    {
        let exchange = RowExchange(communicator: communicator, count: gradient.count, options: options)
        let warmup = options.codec == .auto ? CodecChoice.trials + 1 : 2
        var (reduces, shares, exposed): ([Double], [Double], [Double]) = ([], [], [])
        for step in 0..<warmup + steps {
            if step == warmup { _ = exchange.takeStatistics() }
            let reduced = try reduce(exchange)
            let shared = try share(exchange)
            guard step >= warmup else { continue }
            reduces.append(reduced)
            shares.append(shared)
        }
        let statistics = exchange.takeStatistics()
        if let computeSeconds {
            for _ in 0..<steps { exposed.append(try reduceBehind(exchange, computeSeconds)) }
        }
        var result = Result()
        result.wireBytes = Double(statistics.wireBytes) / Double(steps)
        result.reduceWireBytes = Double(statistics.reduceWireBytes) / Double(steps)
        result.rawBytes = Double(statistics.rawBytes) / Double(steps)
        result.encodeSeconds = statistics.encodeSeconds / Double(steps)
        result.decodeSeconds = statistics.decodeSeconds / Double(steps)
        result.reduceSeconds = median(reduces)
        result.shareSeconds = median(shares)
        result.exposedReduceSeconds = computeSeconds == nil ? nil : median(exposed)
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

    private func reduceBehind(_ exchange: RowExchange, _ computeSeconds: Double) throws(CollectiveError) -> Double {
        prepare(gradient)
        let order = Array((0..<exchange.slices.bucketCount).reversed())
        exchange.startReduce(work.buffer, leafCount: communicator.size, order: order)
        for bucket in order {
            pause(seconds: computeSeconds / Double(order.count))
            exchange.gradientIsReady(bucket: bucket)
        }
        return try timed { () throws(CollectiveError) in
            try exchange.finishReduce()
            _ = exchange.norm(work.buffer)
        }
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
        let own = (ContinuousClock.now - start).seconds
        return communicator.allGather(withUnsafeBytes(of: own) { Array($0) }).map { bytes in
            bytes.withUnsafeBytes { $0.loadUnaligned(as: Double.self) }
        }.max()!
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
