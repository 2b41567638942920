import Testing

@testable import Collectives

@Suite struct LeafTreeTests {
    static let leafCounts = 1...33
    static let sizes = 1...9

    @Test(arguments: sizes) func everyLeafHasOneRankInOrder(size: Int) {
        for count in Self.leafCounts {
            let tree = LeafTree(count: count, size: size)
            var next = 0
            for rank in 0..<size {
                let leaves = tree.leaves(of: rank)
                #expect(leaves.lowerBound == next)
                #expect(tree.hasLeaves(rank) == !leaves.isEmpty)
                // Balanced: nobody has more than its share, rounded up.
                #expect(leaves.count <= (count + size - 1) / size)
                next = leaves.upperBound
            }
            #expect(next == count, "\(count) leaves on \(size) ranks")
        }
    }

    /// The nodes at depth k of the tree that halves `count` leaves, left to right, by definition.
    func nodes(_ leaves: Range<Int>, depth: Int) -> [Range<Int>] {
        if depth == 0 { return [leaves] }
        let half = leaves.lowerBound + (leaves.count + 1) / 2
        return nodes(leaves.lowerBound..<half, depth: depth - 1) + nodes(half..<leaves.upperBound, depth: depth - 1)
    }

    @Test(arguments: [0, 1, 2, 3, 4]) func powersOfTwoOwnTheNodesOfOneDepth(depth: Int) {
        for count in Self.leafCounts {
            let tree = LeafTree(count: count, size: 1 << depth)
            #expect((0..<tree.size).map(tree.leaves) == nodes(0..<count, depth: depth))
        }
    }

    func plus(_ left: [Float]?, _ right: [Float]?) -> [Float]? {
        guard let left, let right else { return left ?? right }
        return zip(left, right).map { $0 + $1 }
    }

    func naiveSum(_ leaves: [[Float]]) -> [Float]? {
        if leaves.count < 2 { return leaves.first }
        let half = (leaves.count + 1) / 2
        return plus(naiveSum(Array(leaves[..<half])), naiveSum(Array(leaves[half...])))
    }

    func naiveRankSum(_ partials: [[Float]?]) -> [Float]? {
        if partials.count == 1 { return partials[0] }
        let half = (partials.count + 1) / 2
        return plus(naiveRankSum(Array(partials[..<half])), naiveRankSum(Array(partials[half...])))
    }

    /// Values whose sum depends on its order; the last is -0, which adding zeros would make +0.
    func leaf(_ index: Int) -> [Float] {
        var stream = Stream(seed: index + 1)
        return (0..<40).map { Float(stream.normal() * Double(1 << ($0 % 20))) } + [-0.0]
    }

    func accumulated(_ range: Range<Int>, by accumulator: LeafAccumulator) -> [Float]? {
        var result = [Float](repeating: .nan, count: 41)
        var order: [Int] = []
        result.withUnsafeMutableBufferPointer { result in
            accumulator.sum(leaves: range, into: result) { index, into in
                order.append(index)
                for (offset, value) in leaf(index).enumerated() { into[offset] = value }
            }
        }
        #expect(order == Array(range))
        return range.isEmpty ? nil : result
    }

    @Test(arguments: sizes) func theSumIsThatOfTheDefinitionBitForBit(size: Int) throws {
        let accumulator = LeafAccumulator(count: 41, maxLeaves: 33)
        for count in Self.leafCounts {
            let tree = LeafTree(count: count, size: size)
            let leaves = (0..<count).map(leaf)
            var partials = (0..<size).map { accumulated(tree.leaves(of: $0), by: accumulator) }
            for rank in 0..<size {
                #expect(partials[rank] == naiveSum(Array(leaves[tree.leaves(of: rank)])))
            }
            let expected =
                size & (size - 1) == 0
                ? naiveSum(leaves) : naiveRankSum((0..<size).map { naiveSum(Array(leaves[tree.leaves(of: $0)])) })
            let sum = LeafTree.sum(0..<size, isPresent: tree.hasLeaves) { into, from in
                #expect(partials[from] != nil && partials[into] != nil, "an absent partial sum was added")
                partials[into] = plus(partials[into], partials[from])
            }
            let total = try #require(sum)
            #expect(partials[total]?.map(\.bitPattern) == expected?.map(\.bitPattern), "\(count) leaves, \(size) ranks")
        }
    }

    /// A last leaf that comes in pieces changes no bits.
    @Test func theLastLeafMayComeInPieces() {
        let accumulator = LeafAccumulator(count: 41, maxLeaves: 33)
        for count in Self.leafCounts {
            for leaves in [0..<count, 3..<3 + count] {
                var result = [Float](repeating: .nan, count: 41)
                result.withUnsafeMutableBufferPointer { result in
                    let last = accumulator.sumAllButLast(leaves: leaves, into: result) { index, into in
                        _ = into.update(from: leaf(index))
                    }
                    for range in [20..<41, 0..<7, 7..<20] {
                        let values = leaf(leaves.upperBound - 1)
                        for index in range { last[index] = values[index] }
                        accumulator.addLast(range, into: result)
                    }
                }
                let expected = naiveSum(leaves.map(leaf))
                #expect(result.map(\.bitPattern) == expected?.map(\.bitPattern), "\(leaves)")
            }
        }
    }

    @Test func buffersGrowWithTheLogarithmOfTheLeaves() {
        for (leaves, expected) in [(0, 0), (1, 0), (2, 1), (3, 2), (4, 2), (5, 3), (8, 3), (9, 4), (32, 5), (33, 6)] {
            #expect(LeafAccumulator(count: 1, maxLeaves: leaves).levels == expected)
        }
    }

    @Test func anErrorInALeafComesThrough() {
        struct Stop: Error {}
        let accumulator = LeafAccumulator(count: 4, maxLeaves: 8)
        var result = [Float](repeating: 0, count: 4)
        var computed = 0
        #expect(throws: Stop.self) {
            try result.withUnsafeMutableBufferPointer { result in
                try accumulator.sum(leaves: 0..<8, into: result) { (leaf, _) throws(Stop) in
                    if leaf == 3 { throw Stop() }
                    computed += 1
                }
            }
        }
        #expect(computed == 3)
    }
}
