/// Which rows make up each global batch, and how it is cut into micro-batches: a function of the rows' lengths, the seed
/// and the step alone. The number of ranks plays no part.
public struct Sampler: Sendable {
    /// The rows of one step.
    public struct Batch: Sendable, Equatable {
        /// Row numbers of each micro-batch.
        public var microBatches: [[Int]]
        /// Tokens of all its rows.
        public var tokenCount: Int
        /// Tokens of all its rows that are in the loss.
        public var targetCount: Int
    }

    /// Decides the order of the rows.
    public let seed: UInt64
    /// Rows per optimizer step.
    public let globalBatch: Int
    /// Most rows per micro-batch.
    public let microBatch: Int
    private let tokenCounts: [Int]
    private let targetCounts: [Int]

    /// - Parameters:
    ///   - tokenCounts: tokens of each row; at least one row.
    ///   - targetCounts: of them, those in the loss.
    ///   - seed: decides the order of the rows.
    ///   - globalBatch: rows of a step.
    ///   - microBatch: rows of a micro-batch, at most.
    public init(tokenCounts: [Int], targetCounts: [Int], seed: UInt64, globalBatch: Int, microBatch: Int) {
        precondition(!tokenCounts.isEmpty && tokenCounts.count == targetCounts.count, "Sampler: no rows")
        precondition(globalBatch >= 1 && microBatch >= 1, "Sampler: batches of \(globalBatch) and \(microBatch)")
        self.tokenCounts = tokenCounts
        self.targetCounts = targetCounts
        self.seed = seed
        self.globalBatch = globalBatch
        self.microBatch = microBatch
    }

    /// Samples tokenised rows; sizes as in the other initialiser.
    public init(_ rows: [EncodedRow], seed: UInt64, globalBatch: Int, microBatch: Int) {
        self.init(
            tokenCounts: rows.map(\.tokens.count), targetCounts: rows.map(\.targetCount), seed: seed,
            globalBatch: globalBatch, microBatch: microBatch)
    }

    /// Steps that see every row once; the last batch may be smaller.
    public var stepsPerEpoch: Int { (tokenCounts.count + globalBatch - 1) / globalBatch }
    /// Most micro-batches of any step.
    public var maxMicroBatches: Int { (min(globalBatch, tokenCounts.count) + microBatch - 1) / microBatch }

    /// The batch of step `step`, from 0; each epoch has its own order.
    public func batch(at step: Int) -> Batch {
        let (epoch, index) = (step / stepsPerEpoch, step % stepsPerEpoch)
        let order = Self.permutation(of: tokenCounts.count, seed: seed, epoch: epoch)
        let rows = Array(order[index * globalBatch..<min(order.count, (index + 1) * globalBatch)])
        return Batch(
            microBatches: cut(rows), tokenCount: rows.reduce(0) { $0 + tokenCounts[$1] },
            targetCount: rows.reduce(0) { $0 + targetCounts[$1] })
    }

    /// Longest rows first, each to the micro-batch with the fewest tokens that has room; ties to the first. Ranks that
    /// wait for each other then wait little.
    private func cut(_ rows: [Int]) -> [[Int]] {
        let count = (rows.count + microBatch - 1) / microBatch
        var batches: [[Int]] = Array(repeating: [], count: count)
        var tokens = Array(repeating: 0, count: count)
        for row in rows.sorted(by: { (tokenCounts[$0], $1) > (tokenCounts[$1], $0) }) {
            var best: Int?
            for b in 0..<count where batches[b].count < microBatch {
                if let known = best, tokens[known] <= tokens[b] { continue }
                best = b
            }
            guard let best else { preconditionFailure("Sampler: no room for a row") }
            batches[best].append(row)
            tokens[best] += tokenCounts[row]
        }
        return batches
    }

    /// Fisher–Yates with SplitMix64 (Steele, Lea & Flood 2014) and Lemire's unbiased bounded numbers: the same order for
    /// (seed, epoch) on every machine and in every version.
    static func permutation(of count: Int, seed: UInt64, epoch: Int) -> [Int] {
        var state = seed &+ UInt64(epoch) &* 0xD134_2543_DE82_EF95
        func next() -> UInt64 {
            state &+= 0x9E37_79B9_7F4A_7C15
            var z = state
            z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
            z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
            return z ^ (z >> 31)
        }
        func below(_ bound: UInt64) -> Int {
            var product = next().multipliedFullWidth(by: bound)
            let threshold = (0 &- bound) % bound
            while product.low < threshold { product = next().multipliedFullWidth(by: bound) }
            return Int(product.high)
        }
        var order = Array(0..<count)
        for i in stride(from: count - 1, to: 0, by: -1) { order.swapAt(i, below(UInt64(i + 1))) }
        return order
    }
}

extension PackedBatch {
    /// Packs rows, sharing their common beginning.
    public init(_ rows: [EncodedRow]) { self.init(rows: rows.map { ($0.tokens, $0.isTarget) }) }
}
