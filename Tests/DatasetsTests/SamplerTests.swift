import Datasets
import TestSupport
import Testing

@Suite struct SamplerTests {
    func sampler(rows: Int, seed: UInt64 = 1, global: Int = 16, micro: Int = 4) -> Sampler {
        var random = TestRandom(42)
        let tokens = (0..<rows).map { _ in Int.random(in: 5...200, using: &random) }
        return Sampler(
            tokenCounts: tokens, targetCounts: tokens.map { $0 / 3 }, seed: seed, globalBatch: global, microBatch: micro
        )
    }

    @Test(arguments: [1, 15, 16, 17, 100]) func everyRowOncePerEpoch(rows: Int) {
        let sampler = sampler(rows: rows)
        #expect(sampler.stepsPerEpoch == (rows + 15) / 16)
        for epoch in 0..<2 {
            let steps = epoch * sampler.stepsPerEpoch..<(epoch + 1) * sampler.stepsPerEpoch
            let seen = steps.flatMap { sampler.batch(at: $0).microBatches.joined() }
            #expect(seen.sorted() == Array(0..<rows))
        }
        #expect((0..<10).allSatisfy { sampler.batch(at: $0).microBatches.count <= sampler.maxMicroBatches })
    }

    @Test func seedsAndEpochsOrderDifferently() {
        let (a, b) = (sampler(rows: 200), sampler(rows: 200, seed: 2))
        #expect(a.batch(at: 3) == sampler(rows: 200).batch(at: 3))
        #expect(a.batch(at: 3) != b.batch(at: 3))
        #expect(a.batch(at: 0) != a.batch(at: a.stepsPerEpoch))
    }

    @Test func microBatchesAreFullAndBalanced() {
        let sampler = sampler(rows: 160)
        for step in 0..<10 {
            let batch = sampler.batch(at: step)
            #expect(batch.microBatches.map(\.count) == [4, 4, 4, 4])
            var random = TestRandom(42)
            let tokens = (0..<160).map { _ in Int.random(in: 5...200, using: &random) }
            let sums = batch.microBatches.map { $0.reduce(0) { $0 + tokens[$1] } }
            #expect(sums.reduce(0, +) == batch.tokenCount)
            #expect(Double(sums.max()!) < 1.35 * Double(batch.tokenCount) / 4)
        }
    }

    /// Runs of released versions must be repeatable: this order is part of the format.
    @Test func theOrderOfASeedIsFixed() {
        let sampler = Sampler(
            tokenCounts: Array(repeating: 1, count: 10), targetCounts: Array(repeating: 1, count: 10), seed: 1,
            globalBatch: 1, microBatch: 1)
        func order(_ epoch: Int) -> [Int] { (0..<10).map { sampler.batch(at: 10 * epoch + $0).microBatches[0][0] } }
        // From an independent implementation of the documented algorithm.
        #expect(order(0) == [9, 0, 1, 4, 8, 2, 3, 7, 6, 5])
        #expect(order(1) == [5, 8, 1, 9, 7, 3, 0, 6, 2, 4])
    }
}

@Suite struct PackedBatchTests {
    let rows: [(tokens: [Int32], isTarget: [Bool])] = [
        (
            [1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 21],
            [false, false, false, false, false, false, false, false, false, false, true]
        ),
        ([1, 2, 3, 4, 5, 6, 7, 8, 9, 30], [false, false, false, false, false, false, false, false, false, true]),
    ]

    @Test func rowsLieEndToEnd() {
        let batch = PackedBatch(rows: rows, sharingPrefix: false)
        #expect(batch.tokens == rows[0].tokens + rows[1].tokens)
        #expect(batch.rowStarts == [0, 11, 21])
        #expect(batch.targetPositions == [9, 19])
        #expect(batch.targetTokens == [21, 30])
        #expect(batch.targetStarts == [0, 1, 2])
        #expect((batch.prefixCount, batch.longestRow) == (0, 11))
    }

    /// Row 1 predicts its first target from token 8 (value 9), which must stay its own: 8 tokens are shared, not 9.
    @Test func theCommonBeginningStandsOnce() {
        let batch = PackedBatch(rows: rows)
        #expect(batch.prefixCount == 8)
        #expect(batch.tokens == [1, 2, 3, 4, 5, 6, 7, 8, 9, 20, 21, 9, 30])
        #expect(batch.rowStarts == [8, 11, 13])
        #expect(batch.targetPositions == [9, 11])
        #expect(batch.targetTokens == [21, 30])
        #expect((batch.tokenCount, batch.rowTokenCount, batch.longestRow) == (13, 21, 11))
    }

    @Test func shortOrDifferentBeginningsAreNotShared() {
        let short = rows.map { (tokens: Array($0.tokens.suffix(5)), isTarget: Array($0.isTarget.suffix(5))) }
        #expect(PackedBatch(rows: short).prefixCount == 0)
        #expect(PackedBatch(rows: [rows[0]]).prefixCount == 0)
        let other: (tokens: [Int32], isTarget: [Bool]) = ([7, 8], [false, true])
        #expect(PackedBatch(rows: rows + [other]).prefixCount == 0)
        #expect(PackedBatch().rowCount == 0)
    }
}
