/// Which rank owns which parts of a flat buffer.
///
/// The buffer is cut into buckets, and each bucket into one slice per rank, in rank order. A bucket can so be exchanged
/// as soon as its values are there, and keeps every link busy. All cuts are at multiples of `blockValues`.
public struct SliceLayout: Equatable, Sendable {
    /// Values per block: the unit of slices and of the gradient norm.
    public static let blockValues = 4_096
    /// Blocks of the largest bucket: 8 MB.
    static let mostBucketBlocks = 512
    /// Blocks of a bucket for which a buffer is still cut: 1 MB.
    static let fewestBucketBlocks = 64

    /// Values in the buffer.
    public let count: Int
    /// Number of ranks.
    public let size: Int
    /// Buckets in the buffer; at least 1 unless it is empty.
    public let bucketCount: Int

    /// - Parameters:
    ///   - count: values in the buffer.
    ///   - size: number of ranks.
    ///   - bucketValues: about how many values a bucket has; by default a tenth of the buffer within 1 to 8 MB,
    ///     more if there are so many ranks that slices would be shorter than four blocks.
    public init(count: Int, size: Int, bucketValues: Int? = nil) {
        precondition(count >= 0 && size >= 1, "SliceLayout: \(count) values on \(size) ranks")
        precondition(bucketValues ?? 1 >= 1, "SliceLayout: buckets of \(bucketValues ?? 0) values")
        self.count = count
        self.size = size
        let blocks = SliceLayout.blocks(in: count)
        let usual = min(max(blocks / 10, Self.fewestBucketBlocks), Self.mostBucketBlocks)
        let perBucket = bucketValues.map(SliceLayout.blocks(in:)) ?? max(usual, 4 * size)
        bucketCount = (blocks + perBucket - 1) / perBucket
    }

    private static func blocks(in values: Int) -> Int { values / blockValues + (values % blockValues == 0 ? 0 : 1) }

    /// Blocks in the buffer; the last may be short.
    public var blockCount: Int { Self.blocks(in: count) }

    /// The blocks of a bucket: `blockCount / bucketCount`, or one more.
    func blocks(ofBucket bucket: Int) -> Range<Int> {
        precondition(bucket >= 0 && bucket < bucketCount, "SliceLayout: no bucket \(bucket)")
        return SliceLayout.share(bucket, of: bucketCount, in: 0..<blockCount)
    }

    /// The blocks of a bucket that `rank` owns; none for some ranks of a small bucket. The ranks that get the odd ones
    /// differ from bucket to bucket.
    func blocks(ofBucket bucket: Int, of rank: Int) -> Range<Int> {
        precondition(rank >= 0 && rank < size, "SliceLayout: no rank \(rank)")
        let blocks = blocks(ofBucket: bucket)
        // Shares of the buffer's blocks dealt on: bucket b's first block is block number `start` of the deal.
        let first = blocks.lowerBound % size
        let (length, odd) = (blocks.count / size, blocks.count % size)
        // The `odd` ranks from `first` on, around the ring, have one block more.
        func before(_ rank: Int) -> Int {
            let wrapped = max(0, first + odd - size)
            return rank * length + min(rank, wrapped) + max(0, min(rank, first + odd) - max(first, wrapped))
        }
        return blocks.lowerBound + before(rank)..<blocks.lowerBound + before(rank + 1)
    }

    private static func share(_ index: Int, of parts: Int, in blocks: Range<Int>) -> Range<Int> {
        let (length, odd) = (blocks.count / parts, blocks.count % parts)
        func before(_ index: Int) -> Int { index * length + min(index, odd) }
        return blocks.lowerBound + before(index)..<blocks.lowerBound + before(index + 1)
    }

    private func values(_ blocks: Range<Int>) -> Range<Int> {
        min(blocks.lowerBound * Self.blockValues, count)..<min(blocks.upperBound * Self.blockValues, count)
    }

    /// The values of a bucket.
    public func bucket(_ bucket: Int) -> Range<Int> { values(blocks(ofBucket: bucket)) }

    /// The values of a bucket that `rank` owns.
    public func slice(_ bucket: Int, of rank: Int) -> Range<Int> { values(blocks(ofBucket: bucket, of: rank)) }

    /// The values that `rank` owns: ascending, neighbours joined, none empty.
    public func owned(by rank: Int) -> [Range<Int>] {
        var ranges: [Range<Int>] = []
        for bucket in 0..<bucketCount {
            let slice = slice(bucket, of: rank)
            if slice.isEmpty { continue }
            if let last = ranges.last, last.upperBound == slice.lowerBound {
                ranges[ranges.count - 1] = last.lowerBound..<slice.upperBound
            } else {
                ranges.append(slice)
            }
        }
        return ranges
    }

    /// The values of the longest slice of any bucket.
    var longestSlice: Int {
        (0..<bucketCount).map { bucket in (0..<size).map { slice(bucket, of: $0).count }.max()! }.max() ?? 0
    }

    /// The values of the longest bucket.
    var longestBucket: Int { (0..<bucketCount).map { bucket($0).count }.max() ?? 0 }
}
