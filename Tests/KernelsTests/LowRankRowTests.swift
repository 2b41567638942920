import Kernels
import TestSupport
import Testing

@Suite struct LowRankRowTests {
    @Test(arguments: [(1, 1), (4, 16), (3, 37), (7, 48)])
    func isTheNaiveProduct(rank: Int, columns: Int) {
        let a = randomFloats(rank * columns, seed: 1)
        var b = randomFloats(rank, seed: 2)
        // Zeros are left out, not multiplied: the others' sum is the same.
        if rank > 2 { b[1] = 0 }
        let before = randomFloats(columns, seed: 3)
        var out = before
        addLowRankRow(to: &out, b: b, a: a, rank: rank, columns: columns, factor: 0.75)
        for column in 0..<columns {
            var sum = 0.0
            for r in 0..<rank { sum += Double(a[r * columns + column]) * Double(b[r]) }
            let expected = Double(before[column]) + 0.75 * sum
            #expect(abs(Double(out[column]) - expected) < 1e-6)
        }
    }

    @Test func aRowOfZerosChangesNothing() {
        var out: [Float] = [1, -0.0, .infinity]
        addLowRankRow(to: &out, b: [0, 0], a: Array(repeating: .nan, count: 6), rank: 2, columns: 3, factor: 1)
        #expect(bits(out) == bits([1, -0.0, .infinity]))
    }
}
