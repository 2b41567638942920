import Kernels
import TestSupport
import Testing

@Suite struct BiasTests {
    @Test(arguments: [(1, 1), (7, 5), (33, 130), (4, 64)])
    func matchesTheNaiveTwins(T: Int, C: Int) {
        let rows = randomFloats(T * C, seed: 1)
        let vector = randomFloats(C, seed: 2)
        let chosen = (0..<Int32(C)).filter { $0 % 3 != 1 }
        for threads in [1, 3] {
            let team = WorkerTeam(threads: threads)
            var out = rows
            addRowVector(team, out: &out, vector: vector, T: T, C: C)
            #expect(bits(out) == bits(addRowVectorReference(rows, vector: vector)))
            let expected = (0..<C).map { columnSumReference(column: $0, source: rows, O: C) }
            var all = [Float](repeating: .nan, count: C)
            columnSums(team, sums: &all, source: rows, columns: nil, T: T, k: C, O: C)
            #expect(bits(all) == bits(expected))
            var some = [Float](repeating: .nan, count: chosen.count)
            columnSums(team, sums: &some, source: rows, columns: chosen, T: T, k: chosen.count, O: C)
            #expect(bits(some) == bits(chosen.map { expected[Int($0)] }))
        }
    }

    /// The sums of the output's gradient are the gradient of the vector that was added.
    @Test func columnSumsAreTheGradient() {
        let (T, C) = (9, 21)
        let (rows, dOut) = (randomFloats(T * C, seed: 3), randomFloats(T * C, seed: 4))
        var gradient = [Float](repeating: .nan, count: C)
        columnSums(WorkerTeam(threads: 2), sums: &gradient, source: dOut, columns: nil, T: T, k: C, O: C)
        let differences = finiteDifferences(
            of: { dot(addRowVectorReference(rows, vector: $0), dOut) }, at: randomFloats(C, seed: 5),
            indices: Array(0..<C))
        #expect(relativeError(gradient, differences) < 1e-4)
    }

    /// Small values after large ones are not lost.
    @Test func sumsAreInDoublePrecision() {
        var sums: [Float] = [0]
        columnSums(
            WorkerTeam(threads: 1), sums: &sums, source: [1e8, 1, -1e8], columns: nil, T: 3, k: 1, O: 1)
        #expect(sums == [1])
    }
}
