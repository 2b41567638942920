import Testing

@testable import Collectives

@Suite struct ChunkCutsTests {
    @Test(arguments: [0, 1, 59_999, 60_000, 60_001, 1 << 31, (1 << 33) + 5], [60_000, 1 << 20, Int(Int32.max)])
    func chunksCoverABufferOfAnyLength(count: Int, chunk: Int) {
        var next = 0
        for (offset, length) in ChunkCuts(count: count, chunk: chunk) {
            #expect(offset == next && length > 0 && Int(length) <= chunk)
            next += Int(length)
            if next < count { #expect(Int(length) == chunk, "only the last one is short") }
        }
        #expect(next == count)
    }
}

@Suite struct HostLayoutTests {
    @Test func ranksAreCountedHostByHost() {
        // Dealt round-robin over three hosts.
        let (ranks, hosts) = HostLayout.order(leaders: [0, 1, 2, 0, 1, 2, 0, 1])
        #expect(ranks == [0, 3, 6, 1, 4, 7, 2, 5])
        #expect(hosts == [0, 0, 0, 1, 1, 1, 2, 2])
        #expect(HostLayout.order(leaders: [0, 0, 2, 2]).ranks == [0, 1, 2, 3])
        #expect(HostLayout.order(leaders: [0]).hosts == [0])
    }

    @Test func hostsWithEqualNumbersOfRanksAreKnown() {
        #expect(HostLayout.evenCount([0]) == 1)
        #expect(HostLayout.evenCount([0, 0, 1, 1]) == 2)
        #expect(HostLayout.evenCount([0, 0, 0, 1]) == 1)
        #expect(HostLayout.evenCount([0, 1, 2]) == 1)
        #expect(HostLayout.evenCount([0, 0, 0, 0]) == 4)
    }
}
