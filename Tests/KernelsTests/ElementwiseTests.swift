import Kernels
import TestSupport
import Testing

@Suite struct RMSNormTests {
    @Test(arguments: [1, 7, 16, 48, 576, 579]) func forwardMatchesTheNaiveTwin(C: Int) {
        let T = 37
        let (x, weight) = (randomFloats(T * C, seed: 1, scale: 3), randomFloats(C, seed: 2))
        var (out, again, inverse) = (x, x, [Float](repeating: 0, count: T))
        var expected = x
        let team = WorkerTeam(threads: 2)
        rmsNormForward(team, out: &out, inverseRMS: &inverse, x: x, weight: weight, T: T, C: C, eps: 1e-5)
        rmsNormReference(out: &expected, x: x, weight: weight, T: T, C: C, eps: 1e-5)
        rmsNormRecompute(team, out: &again, inverseRMS: inverse, x: x, weight: weight, T: T, C: C)
        #expect(relativeError(out, expected) < 1e-6)
        #expect(bits(again) == bits(out))
    }

    @Test(arguments: [5, 48, 100]) func backwardMatchesTheNaiveTwinAndFiniteDifferences(C: Int) {
        let T = 9
        let (x, weight, dOut) = (randomFloats(T * C, seed: 3), randomFloats(C, seed: 4), randomFloats(T * C, seed: 5))
        let team = WorkerTeam(threads: 2)
        var (out, inverse) = (x, [Float](repeating: 0, count: T))
        rmsNormForward(team, out: &out, inverseRMS: &inverse, x: x, weight: weight, T: T, C: C, eps: 1e-5)
        var (dX, dWeight) = ([Float](repeating: 0, count: T * C), [Float](repeating: .nan, count: C))
        rmsNormBackward(team, dX: &dX, dOut: dOut, inverseRMS: inverse, x: x, weight: weight, T: T, C: C)
        rmsNormBackwardWeight(team, dWeight: &dWeight, dOut: dOut, inverseRMS: inverse, x: x, T: T, C: C)
        var (expectedX, expectedWeight) = (dX, dWeight)
        rmsNormBackwardReference(
            dX: &expectedX, dWeight: &expectedWeight, dOut: dOut, x: x, weight: weight, T: T, C: C, eps: 1e-5)
        #expect(relativeError(dX, expectedX) < 2e-6)
        #expect(relativeError(dWeight, expectedWeight) < 2e-6)

        let indices = Array(stride(from: 0, to: T * C, by: 7))
        let differences = finiteDifferences(
            of: { x in
                var out = x
                rmsNormReference(out: &out, x: x, weight: weight, T: T, C: C, eps: 1e-5)
                return dot(out, dOut)
            }, at: x, indices: indices, step: 3e-3)
        #expect(relativeError(indices.map { dX[$0] }, differences) < 1e-3)
    }

    @Test func backwardAccumulates() {
        let (x, weight, dOut) = (randomFloats(48, seed: 6), randomFloats(48, seed: 7), randomFloats(48, seed: 8))
        let team = WorkerTeam(threads: 1)
        let inverse: [Float] = [1.5]
        var (once, ontoOne) = ([Float](repeating: 0, count: 48), [Float](repeating: 1, count: 48))
        rmsNormBackward(team, dX: &once, dOut: dOut, inverseRMS: inverse, x: x, weight: weight, T: 1, C: 48)
        rmsNormBackward(team, dX: &ontoOne, dOut: dOut, inverseRMS: inverse, x: x, weight: weight, T: 1, C: 48)
        #expect(relativeError(ontoOne, once.map { $0 + 1 }) < 1e-6)
    }
}

@Suite struct RoPETests {
    @Test(arguments: [8, 20, 64], [false, true]) func matchesTheNaiveTwinAndInverts(D: Int, isScaled: Bool) {
        let (T, heads) = (21, 3)
        let positions = (0..<Int32(T)).map { $0 * 13 % 250 }
        let x = randomFloats(T * heads * D, seed: 1)
        var (out, expected) = (x, x)
        let team = WorkerTeam(threads: 2)
        let divisors = isScaled ? (0..<D / 2).map { 1 + Double($0) / 3 } : []
        let table = RoPETable(length: 256, headDim: D, base: 100_000, divisors: divisors)
        ropeInPlace(team, x: &out, positions: positions, table: table, T: T, heads: heads)
        ropeReference(
            x: &expected, positions: positions, base: 100_000, divisors: divisors, T: T, heads: heads, headDim: D)
        #expect(relativeError(out, expected) < 2e-5)
        ropeInPlace(team, x: &out, positions: positions, table: table, T: T, heads: heads, inverse: true)
        #expect(relativeError(out, x) < 1e-6)
    }

    @Test func theInverseIsTheGradient() {
        let (T, heads, D) = (5, 2, 8)
        let positions: [Int32] = [0, 1, 7, 2, 30]
        let (x, dOut) = (randomFloats(T * heads * D, seed: 2), randomFloats(T * heads * D, seed: 3))
        var dX = dOut
        ropeInPlace(
            WorkerTeam(threads: 1), x: &dX, positions: positions,
            table: RoPETable(length: 32, headDim: D, base: 10_000),
            T: T, heads: heads, inverse: true)
        let indices = Array(0..<x.count)
        let differences = finiteDifferences(
            of: { x in
                var out = x
                ropeReference(x: &out, positions: positions, base: 10_000, T: T, heads: heads, headDim: D)
                return dot(out, dOut)
            }, at: x, indices: indices)
        #expect(relativeError(dX, differences) < 1e-4)
    }
}

@Suite struct SwiGLUTests {
    @Test(arguments: [1, 15, 80, 1536]) func forwardAndBackwardMatchTheNaiveTwins(F: Int) {
        let T = 19
        let (gate, up) = (randomFloats(T * F, seed: 1, scale: 12), randomFloats(T * F, seed: 2))
        let dOut = randomFloats(T * F, seed: 3)
        let team = WorkerTeam(threads: 2)
        var (out, dGate, dUp) = (gate, gate, dOut)
        swiGLUForward(team, out: &out, gate: gate, up: up, T: T, F: F)
        swiGLUBackward(team, dGate: &dGate, dUp: &dUp, dOut: dOut, gate: gate, up: up, T: T, F: F)
        let expected = zip(gate, up).map { swiGLUReference(gate: $0, up: $1) }
        let gradients = (0..<T * F).map { swiGLUBackwardReference(dOut: dOut[$0], gate: gate[$0], up: up[$0]) }
        #expect(relativeError(out, expected) < 1e-6)
        #expect(relativeError(dGate, gradients.map(\.dGate)) < 1e-6)
        #expect(relativeError(dUp, gradients.map(\.dUp)) < 1e-6)
    }

    @Test func backwardMatchesFiniteDifferences() {
        let (gate, up, dOut) = (
            randomFloats(32, seed: 4, scale: 4), randomFloats(32, seed: 5), randomFloats(32, seed: 6)
        )
        func loss(_ gate: [Float], _ up: [Float]) -> Double {
            dot(zip(gate, up).map { swiGLUReference(gate: $0, up: $1) }, dOut)
        }
        var (dGate, dUp) = (gate, up)
        swiGLUBackward(WorkerTeam(threads: 1), dGate: &dGate, dUp: &dUp, dOut: dOut, gate: gate, up: up, T: 2, F: 16)
        let all = Array(0..<32)
        #expect(relativeError(dGate, finiteDifferences(of: { loss($0, up) }, at: gate, indices: all)) < 1e-3)
        #expect(relativeError(dUp, finiteDifferences(of: { loss(gate, $0) }, at: up, indices: all)) < 1e-3)
    }

    @Test func extremeGatesStayFinite() {
        let gate: [Float] = [-200, -88, -87, 0, 87, 88, 200, 1e30, -1e30, -0.0, 1e-30, -1e-30, 30, -30, 5, -5]
        let up = [Float](repeating: 1, count: 16)
        var out = gate
        swiGLUForward(WorkerTeam(threads: 1), out: &out, gate: gate, up: up, T: 1, F: 16)
        for i in 0..<16 {
            #expect(out[i].isFinite)
            #expect(abs(out[i] - swiGLUReference(gate: gate[i], up: 1)) <= 1e-6 * max(1, abs(gate[i])))
        }
    }
}

@Suite struct CrossEntropyTests {
    @Test(arguments: [2, 31, 128, 49_152]) func lossAndGradientMatchTheNaiveTwin(V: Int) {
        let n = 5
        let logits = randomFloats(n * V, seed: 1, scale: 20)
        let targets: [Int32] = [0, Int32(V - 1), Int32(V / 2), 0, 1]
        var (losses, gradient, untouched) = ([Float](repeating: 0, count: n), logits, logits)
        let team = WorkerTeam(threads: 2)
        crossEntropy(team, losses: &losses, logits: &gradient, targets: targets, n: n, V: V, gradientScale: 0.25)
        for i in 0..<n {
            let expected = crossEntropyReference(Array(logits[i * V..<(i + 1) * V]), target: Int(targets[i]))
            #expect(abs(Double(losses[i]) - expected.loss) < 3e-6 * max(1, expected.loss))
            let scaled = expected.gradient.map { Float($0 * 0.25) }
            #expect(relativeError(Array(gradient[i * V..<(i + 1) * V]), scaled) < 2e-6)
        }
        crossEntropy(team, losses: &losses, logits: &untouched, targets: targets, n: n, V: V, gradientScale: nil)
        #expect(bits(untouched) == bits(logits))
    }

    @Test func gradientMatchesFiniteDifferences() {
        let logits = randomFloats(40, seed: 2, scale: 3)
        var (loss, gradient): ([Float], [Float]) = ([0], logits)
        crossEntropy(
            WorkerTeam(threads: 1), losses: &loss, logits: &gradient, targets: [7], n: 1, V: 40, gradientScale: 1)
        let differences = finiteDifferences(
            of: { crossEntropyReference($0, target: 7).loss }, at: logits, indices: Array(0..<40))
        #expect(relativeError(gradient, differences) < 1e-4)
    }

    @Test func hugeLogitsStayFinite() {
        var (loss, logits): ([Float], [Float]) = ([0], [1e30, -1e30, 0, 5])
        crossEntropy(WorkerTeam(threads: 1), losses: &loss, logits: &logits, targets: [0], n: 1, V: 4, gradientScale: 1)
        #expect(loss[0] == 0)
        #expect(logits.allSatisfy { abs($0) < 1e-30 })
    }

    @Test func argmaxTakesTheFirstOfEquals() {
        var values = randomFloats(1000, seed: 3)
        values[700] = 2
        values[701] = 2
        #expect(argmax(values, 1000) == 700)
        #expect(argmax([3], 1) == 0)
    }
}

@Suite struct RowsTests {
    @Test func gathersAndScatters() {
        let team = WorkerTeam(threads: 2)
        let C = 70
        let source = randomFloats(50 * C, seed: 1)
        let rows: [Int32] = [4, 4, 49, 0, 4]
        var out = [Float](repeating: .nan, count: 5 * C)
        gatherRows(team, out: &out, source: source, rows: rows, n: 5, C: C)
        for (i, row) in rows.enumerated() {
            #expect(Array(out[i * C..<(i + 1) * C]) == Array(source[Int(row) * C..<(Int(row) + 1) * C]))
        }

        var sums = [Float](repeating: 0, count: 50 * C)
        scatterAddRows(team, destination: &sums, source: out, rows: rows, n: 5, C: C)
        for c in 0..<C {
            #expect(sums[4 * C + c] == source[4 * C + c] + source[4 * C + c] + source[4 * C + c])
            #expect(sums[49 * C + c] == source[49 * C + c])
            #expect(sums[1 * C + c] == 0)
        }
    }

    @Test func gathersColumns() {
        let (T, O) = (40, 30)
        let source = randomFloats(T * O, seed: 2)
        let columns: [Int32] = [0, 7, 29]
        var out = [Float](repeating: .nan, count: T * 3)
        gatherColumns(WorkerTeam(threads: 2), out: &out, source: source, columns: columns, T: T, k: 3, O: O)
        for t in 0..<T { for j in 0..<3 { #expect(out[t * 3 + j] == source[t * O + Int(columns[j])]) } }
    }
}
