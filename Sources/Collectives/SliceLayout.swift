/// Which rank owns which part of a flat buffer: contiguous slices in rank order, cut at multiples of `blockValues`.
public struct SliceLayout: Equatable, Sendable {
    /// Values per block: the unit of slices and of the gradient norm.
    public static let blockValues = 4_096

    /// Values in the buffer.
    public let count: Int
    /// Number of ranks.
    public let size: Int

    public init(count: Int, size: Int) {
        precondition(count >= 0 && size >= 1, "SliceLayout: \(count) values on \(size) ranks")
        self.count = count
        self.size = size
    }

    /// Blocks in the buffer; the last may be short.
    public var blockCount: Int { (count + Self.blockValues - 1) / Self.blockValues }

    /// The blocks that `rank` owns: `blockCount / size`, or one more; none for some ranks of a small buffer.
    public func blocks(of rank: Int) -> Range<Int> {
        precondition(rank >= 0 && rank < size, "SliceLayout: no rank \(rank)")
        return blockCount * rank / size..<blockCount * (rank + 1) / size
    }

    /// The values that `rank` owns.
    public func range(of rank: Int) -> Range<Int> {
        let blocks = blocks(of: rank)
        return min(blocks.lowerBound * Self.blockValues, count)..<min(blocks.upperBound * Self.blockValues, count)
    }

    /// The values of the longest slice.
    public var longestSlice: Int { (0..<size).map { range(of: $0).count }.max()! }

    /// Part `index` of the slice of `rank` when slices are worked through `values` at a time; empty past its end.
    func part(_ index: Int, of rank: Int, values: Int) -> Range<Int> {
        let slice = range(of: rank)
        let start = min(slice.lowerBound + index * values, slice.upperBound)
        return start..<min(start + values, slice.upperBound)
    }
}
