import Kernels

/// Sums the gradients of a contiguous range of leaves on one rank in the order of the tree (see `LeafTree`).
public final class LeafAccumulator {
    /// Values per leaf.
    public let count: Int
    /// Leaves that a call may sum.
    public let maxLeaves: Int
    /// One partial sum per level below the top: a right half is computed while its left half waits.
    private let pending: [TensorStorage]
    /// Partial sums that wait for the last leaf.
    private var depth = 0
    /// Number of those buffers.
    var levels: Int { pending.count }

    /// - Parameters:
    ///   - count: values per leaf.
    ///   - maxLeaves: the most leaves of a call. Takes ⌈log₂ maxLeaves⌉ buffers of `count` floats, made resident when
    ///     first used.
    public init(count: Int, maxLeaves: Int) {
        precondition(count >= 0 && maxLeaves >= 0, "LeafAccumulator: \(count) values, \(maxLeaves) leaves")
        self.count = count
        self.maxLeaves = maxLeaves
        let levels = maxLeaves <= 1 ? 0 : Int.bitWidth - (maxLeaves - 1).leadingZeroBitCount
        pending = (0..<levels).map { _ in TensorStorage(count: count) }
    }

    /// Writes the sum of the leaves to `result`. Nothing is allocated.
    /// - Parameters:
    ///   - leaves: which; at most `maxLeaves`. If empty, `result` is left as it is and nothing is computed.
    ///   - result: `[count]`, overwritten.
    ///   - compute: writes the `count` values of a leaf; what the buffer held before is of no meaning. Called once per
    ///     leaf, in ascending order.
    public func sum<Failure: Error>(
        leaves: Range<Int>, into result: UnsafeMutableBufferPointer<Float>,
        compute: (_ leaf: Int, _ into: UnsafeMutableBufferPointer<Float>) throws(Failure) -> Void
    ) throws(Failure) {
        precondition(result.count == count, "LeafAccumulator: a result of \(result.count) values, not \(count)")
        precondition(leaves.count <= maxLeaves, "LeafAccumulator: \(leaves.count) leaves, at most \(maxLeaves)")
        guard !leaves.isEmpty else { return }
        try sum(leaves, into: result, level: 0, compute: compute)
    }

    /// The same in two parts, for a last leaf whose values are complete one range after another: sums all leaves but the
    /// last. Then the caller writes the last leaf to the place this returns, and calls `addLast` for each range.
    /// - Parameters:
    ///   - leaves: not empty.
    ///   - result: where the sum goes; overwritten.
    ///   - compute: writes a leaf to the place it is given.
    public func sumAllButLast<Failure: Error>(
        leaves: Range<Int>, into result: UnsafeMutableBufferPointer<Float>,
        compute: (_ leaf: Int, _ into: UnsafeMutableBufferPointer<Float>) throws(Failure) -> Void
    ) throws(Failure) -> UnsafeMutableBufferPointer<Float> {
        precondition(result.count == count, "LeafAccumulator: a result of \(result.count) values, not \(count)")
        precondition((1...max(maxLeaves, 1)).contains(leaves.count), "LeafAccumulator: \(leaves.count) leaves")
        var (leaves, target) = (leaves, result)
        depth = 0
        while leaves.count > 1 {
            let middle = LeafTree.middle(of: leaves)
            try sum(leaves.lowerBound..<middle, into: target, level: depth + 1, compute: compute)
            (leaves, target) = (middle..<leaves.upperBound, pending[depth].buffer)
            depth += 1
        }
        return target
    }

    /// Completes a range of `result`, in which the last leaf is in place. Each value once.
    public func addLast(_ range: Range<Int>, into result: UnsafeMutableBufferPointer<Float>) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "LeafAccumulator: no values \(range)")
        guard let result = result.baseAddress else { return }
        for level in (0..<depth).reversed() {
            let target = level == 0 ? result : pending[level - 1].pointer
            addPartialSum(
                target + range.lowerBound, pending[level].pointer + range.lowerBound, count: range.count)
        }
    }

    private func sum<Failure: Error>(
        _ leaves: Range<Int>, into result: UnsafeMutableBufferPointer<Float>, level: Int,
        compute: (Int, UnsafeMutableBufferPointer<Float>) throws(Failure) -> Void
    ) throws(Failure) {
        if leaves.count == 1 { return try compute(leaves.lowerBound, result) }
        let middle = LeafTree.middle(of: leaves)
        try sum(leaves.lowerBound..<middle, into: result, level: level + 1, compute: compute)
        try sum(middle..<leaves.upperBound, into: pending[level].buffer, level: level + 1, compute: compute)
        guard let target = result.baseAddress else { return }
        addPartialSum(target, pending[level].pointer, count: count)
    }
}

/// `target[i] += partial[i]`. The one addition of partial sums, on a rank and between ranks, so that both give the same
/// bits (of a NaN too).
@inline(never)
func addPartialSum(_ target: UnsafeMutablePointer<Float>, _ partial: UnsafePointer<Float>, count: Int) {
    var index = 0
    while index < count {
        target[index] = target[index] + partial[index]
        index &+= 1
    }
}
