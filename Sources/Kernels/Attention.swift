import Glibc

/// Sizes of grouped-query attention over packed rows.
public struct AttentionShape: Sendable {
    /// Query heads H, key-value heads KV (H is a multiple of KV), head dimension D.
    public let heads: Int, kvHeads: Int, headDim: Int
    /// Factor of the scores, `1/√D`.
    public var scale: Float { 1 / Float(headDim).squareRoot() }

    public init(heads: Int, kvHeads: Int, headDim: Int) {
        self.heads = heads
        self.kvHeads = kvHeads
        self.headDim = headDim
    }
}

/// Queries are taken in blocks of this many, so that keys in the future of the whole block are never touched.
let attentionBlock = 32

/// Floats of scratch each worker needs for rows of at most `longestRow` tokens.
public func attentionScratchCount(longestRow: Int) -> Int { 2 * attentionBlock * longestRow }

/// Causal softmax attention, block-diagonal over packed rows. Vaswani et al. 2017, grouped queries Ainslie et al. 2023.
///
/// - Parameters:
///   - out: `[T, H · D]`, overwritten.
///   - logSumExp: `[T, H]`, overwritten with the log of each softmax's denominator, for the backward pass.
///   - q: `[T, H · D]`, rotated. k, v: `[T, KV · D]`.
///   - rowStarts: `[rows + 1]`, see `PackedBatch`.
///   - scratch: `attentionScratchCount` floats per worker.
public func attentionForward(
    _ team: WorkerTeam, out: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>,
    q: UnsafePointer<Float>, k: UnsafePointer<Float>, v: UnsafePointer<Float>, rowStarts: [Int32],
    shape: AttentionShape, scratch: UnsafeMutablePointer<Float>, scratchStride: Int
) {
    let (H, KV, D) = (shape.heads, shape.kvHeads, shape.headDim)
    let (qStride, kvStride, group) = (H * D, KV * D, H / KV)
    team.forEach(tiles: (rowStarts.count - 1) * KV) { tile, worker in
        let (row, kvHead) = (tile / KV, tile % KV)
        let (start, end) = (Int(rowStarts[row]), Int(rowStarts[row + 1]))
        let scores = scratch + worker * scratchStride
        for head in kvHead * group..<(kvHead + 1) * group {
            for first in stride(from: start, to: end, by: attentionBlock) {
                let last = min(end, first + attentionBlock)
                let keys = last - start
                team.run(
                    GEMMCall(
                        kind: .nt, m: last - first, n: keys, k: D, alpha: shape.scale, a: q + first * qStride + head * D,
                        lda: qStride, b: k + start * kvStride + kvHead * D, ldb: kvStride, c: scores, ldc: keys,
                        accumulate: false), worker: worker)
                for t in first..<last {
                    logSumExp[t * H + head] = softmaxRow(scores + (t - first) * keys, visible: t - start + 1, keys)
                }
                team.run(
                    GEMMCall(
                        kind: .nn, m: last - first, n: D, k: keys, alpha: 1, a: scores, lda: keys,
                        b: v + start * kvStride + kvHead * D, ldb: kvStride, c: out + first * qStride + head * D,
                        ldc: qStride, accumulate: false), worker: worker)
            }
        }
    }
}

/// Gradients of `attentionForward`'s inputs; all overwritten. Probabilities are computed again from `logSumExp`.
///
/// - Parameters:
///   - dQ: `[T, H · D]`. dK, dV: `[T, KV · D]`.
///   - dOut, out: `[T, H · D]`, the output's gradient and the output.
public func attentionBackward(
    _ team: WorkerTeam, dQ: UnsafeMutablePointer<Float>, dK: UnsafeMutablePointer<Float>,
    dV: UnsafeMutablePointer<Float>, dOut: UnsafePointer<Float>, out: UnsafePointer<Float>,
    logSumExp: UnsafePointer<Float>, q: UnsafePointer<Float>, k: UnsafePointer<Float>, v: UnsafePointer<Float>,
    rowStarts: [Int32], shape: AttentionShape, scratch: UnsafeMutablePointer<Float>, scratchStride: Int
) {
    let (H, KV, D) = (shape.heads, shape.kvHeads, shape.headDim)
    let (qStride, kvStride, group) = (H * D, KV * D, H / KV)
    team.forEach(tiles: (rowStarts.count - 1) * KV) { tile, worker in
        let (row, kvHead) = (tile / KV, tile % KV)
        let (start, end) = (Int(rowStarts[row]), Int(rowStarts[row + 1]))
        let probabilities = scratch + worker * scratchStride
        let dScores = probabilities + scratchStride / 2
        let (k, v) = (k + start * kvStride + kvHead * D, v + start * kvStride + kvHead * D)
        let (dK, dV) = (dK + start * kvStride + kvHead * D, dV + start * kvStride + kvHead * D)
        for t in 0..<end - start {
            (dK + t * kvStride).update(repeating: 0, count: D)
            (dV + t * kvStride).update(repeating: 0, count: D)
        }
        for head in kvHead * group..<(kvHead + 1) * group {
            for first in stride(from: start, to: end, by: attentionBlock) {
                let last = min(end, first + attentionBlock)
                let (queries, keys) = (last - first, last - start)
                let at = first * qStride + head * D
                func call(
                    _ kind: GEMMKind, _ m: Int, _ n: Int, _ inner: Int, _ alpha: Float, _ a: UnsafePointer<Float>,
                    _ lda: Int, _ b: UnsafePointer<Float>, _ ldb: Int, _ c: UnsafeMutablePointer<Float>, _ ldc: Int,
                    accumulate: Bool
                ) {
                    team.run(
                        GEMMCall(
                            kind: kind, m: m, n: n, k: inner, alpha: alpha, a: a, lda: lda, b: b, ldb: ldb, c: c,
                            ldc: ldc, accumulate: accumulate), worker: worker)
                }
                call(.nt, queries, keys, D, shape.scale, q + at, qStride, k, kvStride, probabilities, keys, accumulate: false)
                call(.nt, queries, keys, D, 1, dOut + at, qStride, v, kvStride, dScores, keys, accumulate: false)
                for t in first..<last {
                    let mean = sumOfProducts(dOut + t * qStride + head * D, out + t * qStride + head * D, D)
                    softmaxBackwardRow(
                        probabilities + (t - first) * keys, dScores + (t - first) * keys, visible: t - start + 1, keys,
                        logSumExp: logSumExp[t * H + head], mean: mean)
                }
                call(.tn, keys, D, queries, 1, probabilities, keys, dOut + at, qStride, dV, kvStride, accumulate: true)
                call(.nn, queries, D, keys, shape.scale, dScores, keys, k, kvStride, dQ + at, qStride, accumulate: false)
                call(.tn, keys, D, queries, shape.scale, dScores, keys, q + at, qStride, dK, kvStride, accumulate: true)
            }
        }
    }
}

/// Softmax of the first `visible` of `count` scores in place, the rest set to 0; returns the log-sum-exp.
@inline(__always)
func softmaxRow(_ scores: UnsafeMutablePointer<Float>, visible: Int, _ count: Int) -> Float {
    let highest = maximum(scores, visible)
    let highs = Float16x(repeating: highest)
    var partial = Float16x.zero
    var j = 0
    while j + 16 <= visible {
        let p = exp16(scores.load16(j) - highs)
        scores.store16(p, at: j)
        partial += p
        j += 16
    }
    var total = sum16(partial)
    while j < visible {
        scores[j] = exp1(scores[j] - highest)
        total += scores[j]
        j += 1
    }
    let inverse = 1 / total
    let inverses = Float16x(repeating: inverse)
    j = 0
    while j + 16 <= visible {
        scores.store16(scores.load16(j) * inverses, at: j)
        j += 16
    }
    while j < visible {
        scores[j] *= inverse
        j += 1
    }
    (scores + visible).update(repeating: 0, count: count - visible)
    return highest + logf(total)
}

/// One row of the backward pass: scores become probabilities, `dP` becomes `P · (dP − mean)`; 0 beyond `visible`.
@inline(__always)
private func softmaxBackwardRow(
    _ scores: UnsafeMutablePointer<Float>, _ dScores: UnsafeMutablePointer<Float>, visible: Int, _ count: Int,
    logSumExp: Float, mean: Float
) {
    let (sums, means) = (Float16x(repeating: logSumExp), Float16x(repeating: mean))
    var j = 0
    while j + 16 <= visible {
        let p = exp16(scores.load16(j) - sums)
        scores.store16(p, at: j)
        dScores.store16(p * (dScores.load16(j) - means), at: j)
        j += 16
    }
    while j < visible {
        let p = exp1(scores[j] - logSumExp)
        scores[j] = p
        dScores[j] = p * (dScores[j] - mean)
        j += 1
    }
    (scores + visible).update(repeating: 0, count: count - visible)
    (dScores + visible).update(repeating: 0, count: count - visible)
}

/// The naive twin of `attentionForward`, in Double.
public func attentionReference(
    q: [Float], k: [Float], v: [Float], rowStarts: [Int32], shape: AttentionShape
) -> [Float] {
    let (H, KV, D) = (shape.heads, shape.kvHeads, shape.headDim)
    var out = [Float](repeating: 0, count: q.count)
    for row in 0..<rowStarts.count - 1 {
        let (start, end) = (Int(rowStarts[row]), Int(rowStarts[row + 1]))
        for head in 0..<H {
            let kvHead = head / (H / KV)
            for t in start..<end {
                let scores = (start...t).map { s in
                    (0..<D).reduce(0.0) {
                        $0 + Double(q[(t * H + head) * D + $1]) * Double(k[(s * KV + kvHead) * D + $1])
                    } / Double(D).squareRoot()
                }
                let highest = scores.max()!
                let powers = scores.map { exp($0 - highest) }
                let total = powers.reduce(0, +)
                for d in 0..<D {
                    var sum = 0.0
                    for s in start...t { sum += powers[s - start] / total * Double(v[(s * KV + kvHead) * D + d]) }
                    out[(t * H + head) * D + d] = Float(sum)
                }
            }
        }
    }
    return out
}
