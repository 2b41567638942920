import Testing

@testable import Collectives

@Suite struct SliceLayoutTests {
    /// Buckets cover the buffer, slices a bucket, in rank order; cuts are at whole blocks; shares differ by a block.
    func check(_ slices: SliceLayout) {
        var next = 0
        var longest = 0
        var blocks = [Int](repeating: 0, count: slices.size)
        for bucket in 0..<slices.bucketCount {
            #expect(slices.bucket(bucket).lowerBound == next)
            for rank in 0..<slices.size {
                let slice = slices.slice(bucket, of: rank)
                #expect(slice.lowerBound == next)
                #expect(slice.lowerBound % 4_096 == 0 || slice.isEmpty)
                #expect(slice.upperBound % 4_096 == 0 || slice.upperBound == slices.count)
                #expect(slices.blocks(ofBucket: bucket, of: rank).count == (slice.count + 4_095) / 4_096)
                blocks[rank] += (slice.count + 4_095) / 4_096
                longest = max(longest, slice.count)
                next = slice.upperBound
            }
            #expect(slices.bucket(bucket).upperBound == next)
            #expect(!slices.bucket(bucket).isEmpty && slices.bucket(bucket).count <= slices.longestBucket)
        }
        #expect(next == slices.count)
        #expect(longest == slices.longestSlice)
        #expect(blocks.reduce(0, +) == slices.blockCount)
        #expect(blocks.max()! - blocks.min()! <= 1, "\(blocks)")
    }

    @Test(arguments: [0, 1, 4_095, 4_096, 4_097, 8_192, 12_289, 100_000, 5_700_001], [1, 2, 3, 4, 7, 8, 64])
    func slicesCoverTheBufferInWholeBlocks(count: Int, size: Int) {
        check(SliceLayout(count: count, size: size))
        for bucketValues in [1, 4_096, 10_000, 50_000, 1 << 40] {
            check(SliceLayout(count: min(count, 100_000), size: size, bucketValues: bucketValues))
        }
    }

    /// The owner's ranges are those of the slices.
    @Test(arguments: [1, 2, 3, 8]) func ownersHaveAllValues(size: Int) {
        let slices = SliceLayout(count: 300_001, size: size, bucketValues: 40_000)
        var owners = [Int](repeating: 0, count: slices.count)
        for rank in 0..<size {
            let owned = slices.owned(by: rank)
            #expect(zip(owned, owned.dropFirst()).allSatisfy { $0.upperBound < $1.lowerBound })
            for value in owned.joined() { owners[value] += 1 }
            for bucket in 0..<slices.bucketCount {
                let slice = slices.slice(bucket, of: rank)
                #expect(slice.isEmpty || owned.contains { $0.clamped(to: slice) == slice })
            }
        }
        #expect(owners.allSatisfy { $0 == 1 })
    }

    @Test func ranksOfASmallBufferOwnNothing() {
        let slices = SliceLayout(count: 5_000, size: 8)
        #expect((0..<8).count { !slices.owned(by: $0).isEmpty } == 2)
        #expect(SliceLayout(count: 0, size: 3).owned(by: 1).isEmpty)
    }

    @Test func bucketsAreOneToEightMegabytes() {
        for (count, buckets) in [(200_000, 1), (2_900_000, 11), (10_000_000, 11), (134_000_000, 64)] {
            #expect(SliceLayout(count: count, size: 4).bucketCount == buckets)
        }
        #expect(SliceLayout(count: 10_000_000, size: 1_024).bucketCount == 1, "no slices of less than four blocks")
    }

    /// 48 GB: nothing is computed in 32 bits.
    @Test func lengthsBeyondThirtyTwoBits() {
        let slices = SliceLayout(count: 12_000_000_001, size: 3)
        check(slices)
        #expect(slices.slice(slices.bucketCount - 1, of: 2).upperBound == 12_000_000_001)
    }
}
