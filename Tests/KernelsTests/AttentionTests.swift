import Kernels
import TestSupport
import Testing

@Suite struct AttentionTests {
    static let shapes = [(4, 2, 8), (3, 3, 20), (9, 3, 64)]
    static let layouts = [
        AttentionRows(starts: [0, 1, 34, 36, 101]), AttentionRows(prefix: 13, starts: [13, 14, 60, 101]),
        AttentionRows(prefix: 40, starts: [40, 44, 101]),
    ]
    let T = 101

    struct Result {
        var out: [Float]
        var logSumExp: [Float]
    }

    func forward(
        _ q: [Float], _ k: [Float], _ v: [Float], _ shape: AttentionShape, _ rows: AttentionRows, threads: Int
    ) -> Result {
        var out = [Float](repeating: .nan, count: q.count)
        var sums = [Float](repeating: .nan, count: T * shape.heads)
        let stride = attentionScratchCount(longestRow: 101)
        var scratch = [Float](repeating: .nan, count: stride * threads)
        attentionForward(
            WorkerTeam(threads: threads), out: &out, logSumExp: &sums, q: q, k: k, v: v, rows: rows,
            shape: shape, scratch: &scratch, scratchStride: stride)
        return Result(out: out, logSumExp: sums)
    }

    @Test(arguments: shapes, layouts) func forwardMatchesTheNaiveTwin(dims: (Int, Int, Int), rows: AttentionRows) {
        let shape = AttentionShape(heads: dims.0, kvHeads: dims.1, headDim: dims.2)
        let q = randomFloats(T * dims.0 * dims.2, seed: 1, scale: 3)
        let (k, v) = (randomFloats(T * dims.1 * dims.2, seed: 2, scale: 3), randomFloats(T * dims.1 * dims.2, seed: 3))
        let result = forward(q, k, v, shape, rows, threads: 2)
        #expect(relativeError(result.out, attentionReference(q: q, k: k, v: v, rows: rows, shape: shape)) < 2e-6)
        #expect(bits(result.out) == bits(forward(q, k, v, shape, rows, threads: 1).out))
    }

    @Test(arguments: shapes, layouts) func backwardMatchesFiniteDifferences(dims: (Int, Int, Int), rows: AttentionRows)
    {
        let shape = AttentionShape(heads: dims.0, kvHeads: dims.1, headDim: dims.2)
        let q = randomFloats(T * dims.0 * dims.2, seed: 4)
        let (k, v) = (randomFloats(T * dims.1 * dims.2, seed: 5), randomFloats(T * dims.1 * dims.2, seed: 6))
        let dOut = randomFloats(q.count, seed: 7)
        let result = forward(q, k, v, shape, rows, threads: 1)
        var (dQ, dK, dV) = (q.map { _ in Float.nan }, k.map { _ in Float.nan }, v.map { _ in Float.nan })
        let stride = attentionScratchCount(longestRow: 101)
        var scratch = [Float](repeating: .nan, count: stride * 2)
        let parts = attentionPrefixCount(rows: rows.starts.count - 1, prefix: rows.prefix, shape: shape)
        var prefixGradients = [Float](repeating: .nan, count: max(parts, 1))
        attentionBackward(
            WorkerTeam(threads: 2), dQ: &dQ, dK: &dK, dV: &dV, dOut: dOut, out: result.out,
            logSumExp: result.logSumExp, q: q, k: k, v: v, rows: rows, shape: shape, scratch: &scratch,
            scratchStride: stride, prefixGradients: &prefixGradients)
        func check(_ x: [Float], _ gradient: [Float], _ output: ([Float]) -> [Float]) {
            #expect(gradient.allSatisfy { $0.isFinite })
            let indices = Array(Swift.stride(from: 0, to: x.count, by: x.count / 40))
            let differences = finiteDifferences(of: { dot(output($0), dOut) }, at: x, indices: indices, step: 1e-2)
            #expect(relativeError(indices.map { gradient[$0] }, differences) < 2e-3)
        }
        check(q, dQ) { attentionReference(q: $0, k: k, v: v, rows: rows, shape: shape) }
        check(k, dK) { attentionReference(q: q, k: $0, v: v, rows: rows, shape: shape) }
        check(v, dV) { attentionReference(q: q, k: k, v: $0, rows: rows, shape: shape) }
    }

    @Test func cachedAttentionEqualsTheLastRowOfTheWhole() {
        let shape = AttentionShape(heads: 4, kvHeads: 2, headDim: 20)
        let rowStarts: [Int32] = [0, 1, 34, 36, 101]
        let rows = AttentionRows(starts: rowStarts)
        let q = randomFloats(T * 80, seed: 8)
        let (k, v) = (randomFloats(T * 40, seed: 9), randomFloats(T * 40, seed: 10))
        let whole = attentionReference(q: q, k: k, v: v, rows: rows, shape: shape)
        let lasts = rowStarts.dropFirst().map { Int($0) - 1 }
        let queries = lasts.flatMap { Array(q[$0 * 80..<($0 + 1) * 80]) }
        var out = [Float](repeating: .nan, count: queries.count)
        var scratch = [Float](repeating: .nan, count: 2 * 101)
        k.withUnsafeBufferPointer { k in
            v.withUnsafeBufferPointer { v in
                var caches: [(keys: UnsafePointer<Float>, values: UnsafePointer<Float>, length: Int)] = []
                for row in 0..<rowStarts.count - 1 {
                    let (start, end) = (Int(rowStarts[row]), Int(rowStarts[row + 1]))
                    caches.append((k.baseAddress! + start * 40, v.baseAddress! + start * 40, end - start))
                }
                cachedAttention(
                    WorkerTeam(threads: 2), out: &out, q: queries, caches: caches, shape: shape, scratch: &scratch,
                    scratchStride: 101)
            }
        }
        #expect(relativeError(out, lasts.flatMap { Array(whole[$0 * 80..<($0 + 1) * 80]) }) < 2e-6)
    }
}
