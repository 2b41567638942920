/// Who computes which of a step's micro-batches, and in which order their gradients are added.
///
/// The `count` leaves hang on a binary tree that halves them from the top, the left half taking the odd one. A rank's
/// place follows from halving the ranks in step with the leaves. With a power of two of ranks, each owns one node of
/// the tree, so that any such number of ranks (1 too) adds the same numbers in the same order and gets the same bits.
/// With another number of ranks each gets a contiguous range of `count / size` leaves, or one more; the sum is then the
/// same from run to run, but not the same as with another number of ranks.
public struct LeafTree: Equatable, Sendable {
    /// Number of leaves (micro-batches of a step, over all ranks), at least 1.
    public let count: Int
    /// Number of ranks.
    public let size: Int

    /// A tree of `count` leaves dealt to `size` ranks, both at least 1.
    public init(count: Int, size: Int) {
        precondition(count >= 1 && size >= 1, "LeafTree: \(count) leaves on \(size) ranks")
        self.count = count
        self.size = size
    }

    /// The leaves that `rank` computes; empty for some ranks when there are fewer leaves than ranks.
    public func leaves(of rank: Int) -> Range<Int> {
        precondition(rank >= 0 && rank < size, "LeafTree: no rank \(rank)")
        guard size & (size - 1) == 0 else {
            return count * rank / size..<count * (rank + 1) / size
        }
        var leaves = 0..<count
        var ranks = 0..<size
        while ranks.count > 1 {
            let middle = LeafTree.middle(of: leaves)
            let rankMiddle = LeafTree.middle(of: ranks)
            if rank < rankMiddle {
                (leaves, ranks) = (leaves.lowerBound..<middle, ranks.lowerBound..<rankMiddle)
            } else {
                (leaves, ranks) = (middle..<leaves.upperBound, rankMiddle..<ranks.upperBound)
            }
        }
        return leaves
    }

    /// Whether `rank` has a partial sum to contribute.
    public func hasLeaves(_ rank: Int) -> Bool { !leaves(of: rank).isEmpty }

    /// Where a range is cut: the left part takes the odd one.
    public static func middle(of range: Range<Int>) -> Int { range.lowerBound + (range.count + 1) / 2 }

    /// Adds partial sums in the order of the tree, over all ranks, some of them, or groups of them. Those without leaves
    /// are skipped, not added as zeros (which would turn -0 into +0).
    /// `places`: neighbours. With powers of two of ranks and of groups, the sums of aligned groups of neighbours, and
    /// then the sum over the groups, are together the same additions as those over all ranks.
    /// `add`: adds the sum held for place `from` to the one held for place `into`.
    /// - Returns: the place that holds the total; nil if none is present.
    static func sum(
        _ places: Range<Int>, isPresent: (Int) -> Bool, add: (_ into: Int, _ from: Int) -> Void
    ) -> Int? {
        if places.count == 1 { return isPresent(places.lowerBound) ? places.lowerBound : nil }
        let middle = LeafTree.middle(of: places)
        let left = sum(places.lowerBound..<middle, isPresent: isPresent, add: add)
        let right = sum(middle..<places.upperBound, isPresent: isPresent, add: add)
        guard let left, let right else { return left ?? right }
        add(left, right)
        return left
    }
}

/// Additions of partial sums in tree order, worked out once.
struct SumOrder {
    let isPresent: [Bool]
    let additions: [(into: Int, from: Int)]
    /// The place whose partial sum becomes the total; nil if nothing is present.
    let total: Int?

    /// - Parameter isPresent: by place: whether it has a partial sum to contribute.
    init(isPresent: [Bool]) {
        self.isPresent = isPresent
        var additions: [(into: Int, from: Int)] = []
        total = LeafTree.sum(0..<isPresent.count, isPresent: { isPresent[$0] }) {
            additions.append((into: $0, from: $1))
        }
        self.additions = additions
    }

    /// Leaves the sum of the present ones of `partials`, `[count]` floats each, in the place `total`.
    func add(_ partials: [UnsafeMutablePointer<Float>?], count: Int) {
        for (into, from) in additions {
            guard let into = partials[into], let from = partials[from] else { preconditionFailure("no partial sum") }
            addPartialSum(into, from, count: count)
        }
    }
}
