import Kernels
import TestSupport
import Testing

@Suite struct ColumnSumsTests {
    @Test(arguments: [(1, 1), (7, 5), (33, 130), (4, 64)])
    func matchesTheNaiveTwin(T: Int, O: Int) {
        let source = randomFloats(T * O, seed: 3)
        let weights = (0..<T).map { Double($0 % 3) }
        for threads in [1, 3] {
            for ofMagnitudes in [true, false] {
                var sums = [Double](repeating: .nan, count: O)
                weightedColumnSums(
                    WorkerTeam(threads: threads), sums: &sums, source: source, weights: weights, T: T, O: O,
                    ofMagnitudes: ofMagnitudes)
                for j in 0..<O {
                    let expected = weightedColumnSumReference(
                        column: j, source: source, weights: weights, O: O, ofMagnitudes: ofMagnitudes)
                    #expect(sums[j] == expected)
                }
            }
        }
    }

    /// A row of weight 0 does not count, whatever is in it.
    @Test func rowsOfWeightZeroAreNotRead() {
        var sums = [Double](repeating: .nan, count: 1)
        weightedColumnSums(
            WorkerTeam(threads: 1), sums: &sums, source: [2, .nan], weights: [3, 0], T: 2, O: 1, ofMagnitudes: false)
        #expect(sums == [6])
    }
}
