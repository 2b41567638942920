import Collectives

/// Every option that must not change a bit.
let allOptions: [ExchangeOptions] = ExchangeOptions.Mode.allCases.flatMap { mode in
    [ExchangeOptions.Wire.raw, .exact].flatMap { wire in
        [ExchangeOptions.Codec.zstd, .none].flatMap { codec in
            [ExchangeOptions.Hierarchy.off, .on].map {
                ExchangeOptions(mode: mode, wire: wire, codec: codec, hierarchy: $0)
            }
        }
    }
}

/// This rank's partial sum of a step, as a trainer makes it. Rubbish (NaN) if the rank has no leaves.
func localSum(_ tree: LeafTree, rank: Int, count: Int, seed: Int) -> [Float] {
    var result = [Float](repeating: .nan, count: count)
    let accumulator = LeafAccumulator(count: count, maxLeaves: 9)
    result.withUnsafeMutableBufferPointer { result in
        accumulator.sum(leaves: tree.leaves(of: rank), into: result) { leaf, into in
            for (index, value) in leafGradient(leaf, count: count, seed: seed).enumerated() { into[index] = value }
        }
    }
    return result
}

/// The sum of a step's leaves by definition: of the whole tree with a power of two of ranks, else of the ranks' ranges.
func expectedSum(_ tree: LeafTree, count: Int, seed: Int) -> [Float] {
    let leaves = (0..<tree.count).map { leafGradient($0, count: count, seed: seed) }
    if tree.size & (tree.size - 1) == 0 { return naiveSum(leaves)! }
    return naiveRankSum((0..<tree.size).map { naiveSum(Array(leaves[tree.leaves(of: $0)])) })!
}

/// Every option, number of leaves and a set of lengths: the sums are those of the definition, bit for bit.
func checkReduce(_ communicator: MPICommunicator) throws {
    let (rank, size) = (communicator.rank, communicator.size)
    // One value, a few blocks, more ranks than blocks, several frames per slice, several rounds.
    for (count, leafCounts) in [(1, [1, 2, 9]), (3 * 4_096 + 5, Array(1...9)), (700_001, [1, 3, 8])] {
        for leafCount in leafCounts {
            let tree = LeafTree(count: leafCount, size: size)
            let expected = expectedSum(tree, count: count, seed: leafCount)
            let local = localSum(tree, rank: rank, count: count, seed: leafCount)
            var norms: Set<UInt64> = []
            for options in allOptions {
                let exchange = RowExchange(
                    communicator: communicator, count: count, options: options, bucketValues: 100_000)
                var gradient = local
                let norm = try gradient.withUnsafeMutableBufferPointer { gradient in
                    try exchange.reduce(gradient, leafCount: leafCount)
                    return exchange.norm(gradient)
                }
                norms.insert(norm.bitPattern)
                let owned = exchange.owned
                let difference = owned.joined().first { gradient[$0].bitPattern != expected[$0].bitPattern }
                try require(
                    difference == nil,
                    "\(options), \(count) values, \(leafCount) leaves: value \(difference ?? 0) has other bits")
            }
            try require(norms.count == 1, "one norm for all options, \(count) values, \(leafCount) leaves")
            // And the same as on one rank, within the rounding of a plain sum.
            let alone = RowExchange(communicator: LocalCommunicator(), count: count, options: ExchangeOptions())
            var total = expected
            let norm = total.withUnsafeMutableBufferPointer { alone.norm($0) }
            try require(norms.contains(norm.bitPattern), "the norm of \(size) ranks is that of one")
            let plain = expected.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
            try require(abs(norm - plain) <= 1e-12 * plain, "norm \(norm) is \(plain)")
        }
    }
}

/// Values of all kinds, among them bit patterns that no arithmetic gives.
func oldAndNewWeights(count: Int, round: Int) -> (old: [Float], new: [Float]) {
    var stream = Stream(count, round)
    let special: [UInt32] = [
        0, 0x8000_0000, 1, 0x8000_0001, 0x7F80_0000, 0xFF80_0000, 0x7FC0_0000, 0x7FC0_1234, 0xFFC0_0001, 0x7F80_0001,
        0x007F_FFFF, 0x0080_0000, 0x7F7F_FFFF, 0xFF7F_FFFF, 0xFFFF_FFFF, 0x3F80_0000,
    ]
    var old: [Float] = []
    var new: [Float] = []
    for index in 0..<count {
        let value = stream.gradient() * 1_000
        if index % 53 == 0 {
            old.append(Float(bitPattern: special[Int.random(in: 0..<special.count, using: &stream)]))
            new.append(Float(bitPattern: special[Int.random(in: 0..<special.count, using: &stream)]))
        } else {
            old.append(value)
            new.append(index % 7 == 0 ? value : value + value * 1e-3 * Float.random(in: -1...1, using: &stream))
        }
    }
    return (old, new)
}

/// Every option: all ranks end with exactly the owners' new values, each written once.
func checkShare(_ communicator: MPICommunicator) throws {
    for count in [0, 1, 4_097, 3 * 4_096 + 5, 700_001] {
        let (old, new) = oldAndNewWeights(count: count, round: 1)
        for options in allOptions {
            let exchange = RowExchange(
                communicator: communicator, count: count, options: options, bucketValues: 100_000)
            var weights = old
            var writes = [UInt8](repeating: 0, count: count)
            // What this rank does not own is rubbish.
            var own = [Float](repeating: .nan, count: count)
            for index in exchange.owned.joined() { own[index] = new[index] }
            try own.withUnsafeMutableBufferPointer { own in
                try weights.withUnsafeMutableBufferPointer { weights in
                    try exchange.share(
                        own,
                        read: { range, into in
                            for (offset, index) in range.enumerated() { into[offset] = weights[index] }
                        },
                        write: { range, values in
                            for (offset, index) in range.enumerated() {
                                weights[index] = values[offset]
                                writes[index] += 1
                            }
                        })
                }
            }
            try require(
                firstDifference(weights, new) == nil, "\(options), \(count) values: all weights are the new ones")
            try require(writes.allSatisfy { $0 == 1 }, "\(options), \(count) values: each value is written once")
        }
    }
}

/// Several steps of gradient descent with one exchange: the weights are those that one rank alone gets, whether they are
/// waited for or come while the next step begins, and the coded exchange sends fewer bytes than the plain one.
func checkSteps(_ communicator: MPICommunicator) throws {
    let count = 300_000
    let (leafCount, steps) = (8, 4)
    let tree = LeafTree(count: leafCount, size: communicator.size)
    let start = (0..<count).map { Float($0 % 1_000) * 1e-4 + 0.01 }
    var expected = start
    var expectedAfter: [[Float]] = []
    for step in 0..<steps {
        let sum = expectedSum(tree, count: count, seed: step)
        for index in expected.indices { expected[index] -= 0.5 * sum[index] }
        expectedAfter.append(expected)
    }
    for (options, isLate) in allOptions.flatMap({ [($0, false), ($0, true)] }) {
        let exchange = RowExchange(
            communicator: communicator, count: count, options: options, bucketValues: isLate ? 40_000 : nil)
        let order = Array((0..<exchange.slices.bucketCount).reversed())
        let weights = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
        let values = UnsafeMutableBufferPointer<Float>.allocate(capacity: count)
        defer {
            weights.deallocate()
            values.deallocate()
        }
        _ = weights.initialize(from: start)
        let read = { (range: Range<Int>, into: UnsafeMutablePointer<Float>) in
            into.update(from: weights.baseAddress! + range.lowerBound, count: range.count)
        }
        let write = { (range: Range<Int>, new: UnsafePointer<Float>) in
            (weights.baseAddress! + range.lowerBound).update(from: new, count: range.count)
        }
        for step in 0..<steps {
            let gradient = localSum(tree, rank: communicator.rank, count: count, seed: step)
            for bucket in order where isLate {
                exchange.waitForShared(bucket: bucket)
                // All of this bucket, and maybe more, has come.
                let seen = exchange.slices.bucket(bucket).first { values in
                    step > 0 && weights[values].bitPattern != expectedAfter[step - 1][values].bitPattern
                }
                try require(seen == nil, "\(options): value \(seen ?? 0) of a bucket that has come, step \(step)")
            }
            try exchange.finishShare()
            _ = values.initialize(from: gradient)
            try exchange.reduce(values, leafCount: leafCount)
            guard isLate else {
                for index in exchange.owned.joined() { values[index] = weights[index] - 0.5 * values[index] }
                try exchange.share(values, read: read, write: write)
                continue
            }
            exchange.startShare(values, order: order, read: read, write: write)
            for bucket in order {
                for index in exchange.owned.map({ $0.clamped(to: exchange.slices.bucket(bucket)) }).joined() {
                    values[index] = weights[index] - 0.5 * values[index]
                }
                exchange.valuesAreReady(bucket: bucket)
            }
        }
        try exchange.finishShare()
        try require(firstDifference(Array(weights), expected) == nil, "\(options): the weights after \(steps) steps")
        let statistics = exchange.takeStatistics()
        let isCoded = options.wire == .exact && options.codec == .zstd
        // Reduce-scatter, then all-gather of weights or of sums: of the buffer what the other groups own, and what they
        // do not; each rank of a group does its part of it.
        let groups = communicator.size / exchange.groupSize
        let plain = 2 * steps * (groups - 1) * count / communicator.size * 4
        try require(
            abs(statistics.rawBytes - plain) <= plain / 10 + 10_000,
            "\(options): \(statistics.rawBytes) plain bytes, about \(plain)")
        try require(
            isCoded && groups > 1
                ? statistics.wireBytes < statistics.rawBytes * 9 / 10 : statistics.wireBytes == statistics.rawBytes,
            "\(options): \(statistics.wireBytes) bytes sent of \(statistics.rawBytes)")
        try require(exchange.takeStatistics() == ExchangeStatistics(), "statistics start anew once taken")
    }
}
