import Kernels
import TestSupport
import Testing

@Suite struct InactiveCountsTests {
    @Test(arguments: [(1, 1), (7, 5), (33, 130), (4, 64), (2, 80)])
    func matchesTheNaiveTwin(T: Int, F: Int) {
        let gate = randomFloats(T * F, seed: 5, scale: 4)
        let weights = (0..<T).map { Int32($0 % 3) }
        for threshold in [Float(0.05), 0.2, 0.3] {
            for threads in [1, 3] {
                var counts = (0..<F).map { $0 }
                addInactiveCounts(
                    WorkerTeam(threads: threads), counts: &counts, gate: gate, weights: weights, T: T, F: F,
                    threshold: threshold)
                for j in 0..<F {
                    let expected = (0..<T).reduce(0) { sum, t in
                        let magnitude = activationMagnitudeReference(gate: gate[t * F + j])
                        // None is so close to the threshold that rounding would decide.
                        #expect(abs(magnitude - Double(threshold)) > 1e-7)
                        return sum + (magnitude < Double(threshold) ? Int(weights[t]) : 0)
                    }
                    #expect(counts[j] == j + expected)
                }
            }
        }
    }

    /// SiLU is never below -0.2785: large negative gates are inactive, large positive ones and no numbers are not.
    @Test func extremeGates() {
        let gate: [Float] = [-1000, -20, 0, 1e-3, 0.9, 1000, .infinity, .nan, -1.2785, -100, 88, -88]
        let wide = gate + gate
        var counts = [Int](repeating: 0, count: wide.count)
        addInactiveCounts(
            WorkerTeam(threads: 1), counts: &counts, gate: wide, weights: [1], T: 1, F: wide.count, threshold: 0.1)
        let expected = [1, 1, 1, 1, 0, 0, 0, 0, 0, 1, 0, 1]
        #expect(counts == expected + expected)
    }
}
