import TestSupport
import Testing

@testable import Evaluation

struct DealtBatchesTests {
    private let lengths = (0..<53).map { 1 + $0 * 29 % 17 }

    @Test func batchesByTokensKeepRowOrderAndTheLimit() {
        let dealt = DealtBatches(lengths: lengths, maxTokens: 30)
        #expect(Array(dealt.batches.joined()) == Array(lengths.indices))
        for batch in dealt.batches { #expect(batch.reduce(0) { $0 + lengths[$1] } <= 30) }
        #expect(DealtBatches(lengths: [5, 100, 5], maxTokens: 10).batches == [[0], [1], [2]])
        #expect(DealtBatches(lengths: [], maxTokens: 10).batches.isEmpty)
    }

    @Test func batchesByRowsGroupSimilarLengths() {
        let dealt = DealtBatches(lengths: lengths, maxRows: 4)
        let order = Array(dealt.batches.joined())
        #expect(order.sorted() == Array(lengths.indices))
        #expect(dealt.batches.dropLast().allSatisfy { $0.count == 4 } && dealt.batches.last?.count == 1)
        for (a, b) in zip(order, order.dropFirst()) {
            #expect(lengths[a] > lengths[b] || (lengths[a] == lengths[b] && a < b))
        }
    }

    @Test(arguments: [1, 2, 3, 4, 20]) func sharesPartitionTheBatches(ranks: Int) {
        let dealt = DealtBatches(lengths: lengths, maxRows: 4)
        let shares = (0..<ranks).map { dealt.share(rank: $0, size: ranks) }
        #expect(shares.joined().flatMap { $0 }.sorted() == Array(lengths.indices))
        let counts = shares.map(\.count)
        #expect(counts.max()! - counts.min()! <= 1)
    }

    @Test(arguments: [1, 2, 3, 4, 20]) func gatheredRowsAreInRowOrder(ranks: Int) {
        let lengths = lengths
        let gathered = ThreadCommunicator.run(size: ranks) { communicator in
            let dealt = DealtBatches(lengths: lengths, maxRows: 4)
            let rows = dealt.share(rank: communicator.rank, size: ranks).joined()
            // Of every length, the empty one included.
            return dealt.gather(rows.map { [UInt8](repeating: UInt8($0), count: $0 % 5) }, over: communicator)
        }
        let expected = lengths.indices.map { [UInt8](repeating: UInt8($0), count: $0 % 5) }
        #expect(gathered.count == ranks && gathered.allSatisfy { $0 == expected })
    }

    @Test func countsAddUpOverRanks() {
        let sums = ThreadCommunicator.run(size: 3) { $0.sum([$0.rank, -5, Int.max / 4]) }
        #expect(sums == Array(repeating: [3, -15, Int.max / 4 * 3], count: 3))
    }
}
