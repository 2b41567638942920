import Kernels
import TestSupport
import Testing

@testable import Training

@Suite struct AdamWTests {
    private struct State {
        var weights: [Float]
        var first: [Float]
        var second: [Float]

        init(count: Int, seed: UInt64) {
            weights = randomFloats(count, seed: seed)
            first = randomFloats(count, seed: seed + 1, scale: 0.01)
            second = randomFloats(count, seed: seed + 2, scale: 0.01).map { $0 * $0 }
        }

        /// One update, in pieces of at most `piece` values.
        mutating func update(_ gradient: [Float], _ step: AdamWStep, piece: Int) {
            var gradient = gradient
            for start in stride(from: 0, to: weights.count, by: piece) {
                gradient.withUnsafeMutableBufferPointer { g in
                    first.withUnsafeMutableBufferPointer { m in
                        second.withUnsafeMutableBufferPointer { v in
                            weights.withUnsafeBufferPointer { w in
                                adamW(
                                    weights: w.baseAddress! + start, gradient: g.baseAddress! + start,
                                    firstMoment: m.baseAddress! + start, secondMoment: v.baseAddress! + start,
                                    count: min(piece, w.count - start), step: step)
                            }
                        }
                    }
                }
            }
            weights = gradient
        }
    }

    /// The formulas of `torch.optim.AdamW` in Float, one value at a time and with the library's own square root.
    private func plain(_ state: inout State, _ gradient: [Float], _ step: AdamWStep) {
        for i in gradient.indices {
            let g = gradient[i] * step.gradientScale
            state.first[i] = state.first[i] + step.oneMinusBeta1 * (g - state.first[i])
            state.second[i] = state.second[i] * step.beta2 + step.oneMinusBeta2 * (g * g)
            let denominator = state.second[i].squareRoot() / step.biasCorrection2Root + step.epsilon
            state.weights[i] =
                state.weights[i] * step.decay + step.negativeStepSize * (state.first[i] / denominator)
        }
    }

    /// Vector bodies, tails and single values give the bits of the plain formulas.
    @Test(arguments: [1, 2, 7, 8, 15, 16, 17, 31, 33, 64, 100, 1_001])
    func bitsOfThePlainFormulas(count: Int) {
        let step = AdamWStep(update: 3, learningRate: 1.5e-3, weightDecay: 0.1, gradientScale: 0.37)
        var gradient = randomFloats(count, seed: 40, scale: 0.02)
        // Zeros of both signs, subnormal squares, overflowing squares.
        for (index, value) in [0, -0.0, 1e-30, -1e-42, 1e25].enumerated() where index < count {
            gradient[count - 1 - index] = Float(value)
        }
        var expected = State(count: count, seed: 4)
        plain(&expected, gradient, step)
        for piece in [count, 1, 5] {
            var state = State(count: count, seed: 4)
            state.update(gradient, step, piece: piece)
            #expect(bits(state.weights) == bits(expected.weights), "pieces of \(piece)")
            #expect(bits(state.first) == bits(expected.first), "pieces of \(piece)")
            #expect(bits(state.second) == bits(expected.second), "pieces of \(piece)")
        }
    }

    /// Thirty updates stay within rounding of the naive twin in Double.
    @Test func followsTheReference() {
        let count = 37
        var state = State(count: count, seed: 8)
        state.first = .init(repeating: 0, count: count)
        state.second = .init(repeating: 0, count: count)
        var reference = state.weights.map(Double.init)
        var (first, second) = ([Double](repeating: 0, count: count), [Double](repeating: 0, count: count))
        for update in 1...30 {
            let gradient = randomFloats(count, seed: UInt64(100 + update), scale: 0.05)
            let rate = 1e-2 / Double(update)
            state.update(
                gradient, AdamWStep(update: update, learningRate: rate, weightDecay: 0.2, gradientScale: 0.5),
                piece: count)
            for i in 0..<count {
                reference[i] = adamWReference(
                    weight: reference[i], gradient: Double(gradient[i]), firstMoment: &first[i],
                    secondMoment: &second[i], update: update, learningRate: rate, weightDecay: 0.2, gradientScale: 0.5)
            }
        }
        let start = State(count: count, seed: 8).weights
        let moved = zip(reference, start).map { Float($0 - Double($1)) }
        let movedHere = zip(state.weights, start).map { Float(Double($0) - Double($1)) }
        #expect(relativeError(movedHere, moved) < 1e-5)
        #expect(dot(moved, moved).squareRoot() > 1e-2)
    }

    /// The first update moves every weight by the learning rate, whatever the gradient's size.
    @Test func firstUpdateMovesByTheLearningRate() {
        var state = State(count: 4, seed: 1)
        state.weights = [1, 1, 1, 1]
        state.first = [0, 0, 0, 0]
        state.second = [0, 0, 0, 0]
        state.update([3, -1e-3, 200, 0], AdamWStep(update: 1, learningRate: 0.125, weightDecay: 0), piece: 4)
        for (weight, expected) in zip(state.weights, [0.875, 1.125, 0.875, 1] as [Float]) {
            #expect(abs(weight - expected) < 2e-6)
        }
    }
}
