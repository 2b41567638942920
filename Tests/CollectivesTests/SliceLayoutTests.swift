import Testing

@testable import Collectives

@Suite struct SliceLayoutTests {
    @Test(arguments: [0, 1, 4_095, 4_096, 4_097, 8_192, 12_289, 100_000, 5_700_001], [1, 2, 3, 4, 7, 8, 64])
    func slicesCoverTheBufferInWholeBlocks(count: Int, size: Int) {
        let slices = SliceLayout(count: count, size: size)
        var next = 0
        for rank in 0..<size {
            let range = slices.range(of: rank)
            #expect(range.lowerBound == next)
            #expect(range.lowerBound % 4_096 == 0 || range.isEmpty)
            #expect(range.upperBound % 4_096 == 0 || range.upperBound == count)
            #expect(slices.blocks(of: rank).count == (range.count + 4_095) / 4_096)
            // Balanced to a block.
            #expect(range.count <= (slices.blockCount + size - 1) / size * 4_096)
            next = range.upperBound
        }
        #expect(next == count)
        #expect(slices.longestSlice == (0..<size).map { slices.range(of: $0).count }.max())
    }

    @Test func ranksOfASmallBufferOwnNothing() {
        let slices = SliceLayout(count: 5_000, size: 8)
        #expect((0..<8).count { !slices.range(of: $0).isEmpty } == 2)
    }

    @Test func partsCoverASlice() {
        let slices = SliceLayout(count: 300_000, size: 2)
        let parts = (0..<4).map { slices.part($0, of: 1, values: 65_536) }
        #expect(parts[0].lowerBound == slices.range(of: 1).lowerBound)
        #expect(parts[0].upperBound == parts[1].lowerBound && parts[1].upperBound == parts[2].lowerBound)
        #expect(parts[2].upperBound == 300_000 && parts[3].isEmpty)
    }
}
