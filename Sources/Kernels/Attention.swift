import Glibc

/// Sizes of grouped-query attention over packed rows.
public struct AttentionShape: Sendable {
    /// Query heads H, key-value heads KV (H is a multiple of KV), head dimension D.
    public let heads: Int, kvHeads: Int, headDim: Int
    /// Factor of the scores, `1/√D`.
    public var scale: Float { 1 / Float(headDim).squareRoot() }

    /// `heads` query heads share `kvHeads` key and value heads, a divisor of them; all have `headDim` values.
    public init(heads: Int, kvHeads: Int, headDim: Int) {
        self.heads = heads
        self.kvHeads = kvHeads
        self.headDim = headDim
    }
}

/// Queries are taken in blocks of this many, so that keys in the future of the whole block are never touched.
let attentionBlock = 32

/// Floats of scratch each worker needs where no token attends to more than `longestRow` tokens.
public func attentionScratchCount(longestRow: Int) -> Int { 2 * attentionBlock * longestRow }

/// Where the rows of a packed batch lie, see `PackedBatch`.
public struct AttentionRows: Sendable {
    /// Tokens at the start of the batch that every row attends to.
    public var prefix: Int
    /// First own token of each row, plus the number of tokens, `[rows + 1]`; the first is `prefix`.
    public var starts: [Int32]

    /// Rows that begin at `starts` (see there) behind a shared beginning of `prefix` tokens.
    public init(prefix: Int = 0, starts: [Int32]) {
        self.prefix = prefix
        self.starts = starts
    }

    /// Blocks of the causal pattern: the shared prefix, if there is one, attends to itself like a row.
    @inline(__always) var blockCount: Int { starts.count - (prefix > 0 ? 0 : 1) }

    /// Own tokens of a block, and how many shared ones come before them.
    @inline(__always) func block(_ index: Int) -> (start: Int, end: Int, prefix: Int) {
        let row = prefix > 0 ? index - 1 : index
        return row < 0 ? (0, prefix, 0) : (Int(starts[row]), Int(starts[row + 1]), prefix)
    }
}

/// Causal softmax attention, block-diagonal over packed rows. Vaswani et al. 2017, grouped queries Ainslie et al. 2023.
///
/// - Parameters:
///   - team: the threads that compute.
///   - out: `[T, H · D]`, overwritten.
///   - logSumExp: `[T, H]`, overwritten with the log of each softmax's denominator, for the backward pass.
///   - q: `[T, H · D]`, rotated.
///   - k: `[T, KV · D]`, rotated.
///   - v: `[T, KV · D]`.
///   - rows: where each row is among the tokens.
///   - shape: heads and their size.
///   - scratch: `attentionScratchCount` floats per worker.
///   - scratchStride: floats from one worker's scratch to the next one's.
public func attentionForward(
    _ team: WorkerTeam, out: UnsafeMutablePointer<Float>, logSumExp: UnsafeMutablePointer<Float>,
    q: UnsafePointer<Float>, k: UnsafePointer<Float>, v: UnsafePointer<Float>, rows: AttentionRows,
    shape: AttentionShape, scratch: UnsafeMutablePointer<Float>, scratchStride: Int
) {
    let (H, KV, D) = (shape.heads, shape.kvHeads, shape.headDim)
    let (qStride, kvStride, group) = (H * D, KV * D, H / KV)
    team.forEach(tiles: rows.blockCount * KV) { tile, worker in
        let kvHead = tile % KV
        let (start, end, prefix) = rows.block(tile / KV)
        let scores = scratch + worker * scratchStride
        for head in kvHead * group..<(kvHead + 1) * group {
            for first in stride(from: start, to: end, by: attentionBlock) {
                let last = min(end, first + attentionBlock)
                let keys = prefix + last - start
                let product = GEMMCaller(team: team, worker: worker, m: last - first)
                // Keys and values lie in two pieces: the shared tokens, then the row's own.
                if prefix > 0 {
                    product.nt(
                        n: prefix, k: D, q + first * qStride + head * D, qStride, k + kvHead * D, kvStride,
                        scores, keys, alpha: shape.scale)
                }
                product.nt(
                    n: keys - prefix, k: D, q + first * qStride + head * D, qStride,
                    k + start * kvStride + kvHead * D, kvStride, scores + prefix, keys, alpha: shape.scale)
                for t in first..<last {
                    let visible = prefix + t - start + 1
                    logSumExp[t * H + head] = softmaxRow(scores + (t - first) * keys, visible: visible, keys)
                }
                let out = out + first * qStride + head * D
                product.nn(
                    n: D, k: keys - prefix, scores + prefix, keys, v + start * kvStride + kvHead * D, kvStride,
                    out, qStride)
                if prefix > 0 {
                    product.nn(n: D, k: prefix, scores, keys, v + kvHead * D, kvStride, out, qStride, accumulate: true)
                }
            }
        }
    }
}

/// Floats of the buffer in which each row collects its gradients of the shared keys and values.
public func attentionPrefixCount(rows: Int, prefix: Int, shape: AttentionShape) -> Int {
    2 * rows * prefix * shape.kvHeads * shape.headDim
}

/// Gradients of `attentionForward`'s inputs; all overwritten. Probabilities are computed again from `logSumExp`.
///
/// - Parameters:
///   - team: the threads that compute.
///   - dQ: `[T, H · D]`.
///   - dK: `[T, KV · D]`.
///   - dV: `[T, KV · D]`.
///   - dOut: `[T, H · D]`, the output's gradient.
///   - out: `[T, H · D]`, the output.
///   - logSumExp: what the forward pass wrote.
///   - q: `[T, H · D]`, rotated, as in the forward pass.
///   - k: `[T, KV · D]`, rotated, as in the forward pass.
///   - v: `[T, KV · D]`.
///   - rows: where each row is among the tokens.
///   - shape: heads and their size.
///   - scratch: `attentionScratchCount` floats per worker.
///   - scratchStride: floats from one worker's scratch to the next one's.
///   - prefixGradients: `attentionPrefixCount` floats of scratch, not used without a prefix. Each row writes its own
///     part, and the parts are added in row order.
public func attentionBackward(
    _ team: WorkerTeam, dQ: UnsafeMutablePointer<Float>, dK: UnsafeMutablePointer<Float>,
    dV: UnsafeMutablePointer<Float>, dOut: UnsafePointer<Float>, out: UnsafePointer<Float>,
    logSumExp: UnsafePointer<Float>, q: UnsafePointer<Float>, k: UnsafePointer<Float>, v: UnsafePointer<Float>,
    rows: AttentionRows, shape: AttentionShape, scratch: UnsafeMutablePointer<Float>, scratchStride: Int,
    prefixGradients: UnsafeMutablePointer<Float>
) {
    let (H, KV, D) = (shape.heads, shape.kvHeads, shape.headDim)
    let (qStride, kvStride, group) = (H * D, KV * D, H / KV)
    let partCount = rows.prefix * kvStride
    team.forEach(tiles: rows.blockCount * KV) { tile, worker in
        let kvHead = tile % KV
        let (start, end, prefix) = rows.block(tile / KV)
        let probabilities = scratch + worker * scratchStride
        let dScores = probabilities + scratchStride / 2
        let (sharedK, sharedV) = (k + kvHead * D, v + kvHead * D)
        let (k, v) = (k + start * kvStride + kvHead * D, v + start * kvStride + kvHead * D)
        let (dK, dV) = (dK + start * kvStride + kvHead * D, dV + start * kvStride + kvHead * D)
        clear(dK, rows: end - start, width: D, stride: kvStride)
        clear(dV, rows: end - start, width: D, stride: kvStride)
        let row = tile / KV - 1
        let dSharedK = prefix > 0 ? prefixGradients + 2 * row * partCount + kvHead * D : dK
        let dSharedV = prefix > 0 ? dSharedK + partCount : dV
        if prefix > 0 {
            clear(dSharedK, rows: prefix, width: D, stride: kvStride)
            clear(dSharedV, rows: prefix, width: D, stride: kvStride)
        }
        for head in kvHead * group..<(kvHead + 1) * group {
            for first in stride(from: start, to: end, by: attentionBlock) {
                let last = min(end, first + attentionBlock)
                let keys = prefix + last - start
                let own = keys - prefix
                let (q, dO, dQ) = (
                    q + first * qStride + head * D, dOut + first * qStride + head * D, dQ + first * qStride + head * D
                )
                let product = GEMMCaller(team: team, worker: worker, m: last - first)
                if prefix > 0 {
                    product.nt(n: prefix, k: D, q, qStride, sharedK, kvStride, probabilities, keys, alpha: shape.scale)
                    product.nt(n: prefix, k: D, dO, qStride, sharedV, kvStride, dScores, keys)
                }
                product.nt(n: own, k: D, q, qStride, k, kvStride, probabilities + prefix, keys, alpha: shape.scale)
                product.nt(n: own, k: D, dO, qStride, v, kvStride, dScores + prefix, keys)
                for t in first..<last {
                    let mean = sumOfProducts(dOut + t * qStride + head * D, out + t * qStride + head * D, D)
                    softmaxBackwardRow(
                        probabilities + (t - first) * keys, dScores + (t - first) * keys,
                        visible: prefix + t - start + 1, keys, logSumExp: logSumExp[t * H + head], mean: mean)
                }
                product.tn(m: own, n: D, probabilities + prefix, keys, dO, qStride, dV, kvStride)
                product.nn(n: D, k: own, dScores + prefix, keys, k, kvStride, dQ, qStride, alpha: shape.scale)
                product.tn(m: own, n: D, dScores + prefix, keys, q, qStride, dK, kvStride, alpha: shape.scale)
                if prefix > 0 {
                    product.tn(m: prefix, n: D, probabilities, keys, dO, qStride, dSharedV, kvStride)
                    product.nn(
                        n: D, k: prefix, dScores, keys, sharedK, kvStride, dQ, qStride, alpha: shape.scale,
                        accumulate: true)
                    product.tn(m: prefix, n: D, dScores, keys, q, qStride, dSharedK, kvStride, alpha: shape.scale)
                }
            }
        }
    }
    guard rows.prefix > 0 else { return }
    team.forEachBlock(of: partCount, block: 256) { range, _ in
        for row in 0..<rows.starts.count - 1 {
            let part = prefixGradients + 2 * row * partCount
            for i in range {
                dK[i] += part[i]
                dV[i] += part[partCount + i]
            }
        }
    }
}

/// The products of one block of queries.
private struct GEMMCaller {
    let team: WorkerTeam
    let worker: Int
    /// Queries of the block.
    let m: Int

    typealias Pointer = UnsafePointer<Float>
    typealias Output = UnsafeMutablePointer<Float>

    @inline(__always) func nt(
        n: Int, k: Int, _ a: Pointer, _ lda: Int, _ b: Pointer, _ ldb: Int, _ c: Output, _ ldc: Int, alpha: Float = 1
    ) {
        let call = GEMMCall(
            usesPanels: team.usesPanels(m: m, n: n, k: k), kind: .nt, m: m, n: n, k: k, alpha: alpha, a: a, lda: lda,
            b: b, ldb: ldb, c: c, ldc: ldc,
            accumulate: false)
        team.run(call, worker: worker)
    }
    @inline(__always) func nn(
        n: Int, k: Int, _ a: Pointer, _ lda: Int, _ b: Pointer, _ ldb: Int, _ c: Output, _ ldc: Int, alpha: Float = 1,
        accumulate: Bool = false
    ) {
        let call = GEMMCall(
            usesPanels: team.usesPanels(m: m, n: n, k: k), kind: .nn, m: m, n: n, k: k, alpha: alpha, a: a, lda: lda,
            b: b, ldb: ldb, c: c, ldc: ldc,
            accumulate: accumulate)
        team.run(call, worker: worker)
    }
    /// Adds: gradients of keys and values collect over the blocks of queries.
    @inline(__always) func tn(
        m keys: Int, n: Int, _ a: Pointer, _ lda: Int, _ b: Pointer, _ ldb: Int, _ c: Output, _ ldc: Int,
        alpha: Float = 1
    ) {
        let call = GEMMCall(
            usesPanels: team.usesPanels(m: keys, n: n, k: m), kind: .tn, m: keys, n: n, k: m, alpha: alpha, a: a,
            lda: lda, b: b, ldb: ldb, c: c, ldc: ldc,
            accumulate: true)
        team.run(call, worker: worker)
    }
}

@inline(__always)
private func clear(_ x: UnsafeMutablePointer<Float>, rows: Int, width: Int, stride: Int) {
    for row in 0..<rows { (x + row * stride).update(repeating: 0, count: width) }
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
    q: [Float], k: [Float], v: [Float], rows: AttentionRows, shape: AttentionShape
) -> [Float] {
    let (H, KV, D) = (shape.heads, shape.kvHeads, shape.headDim)
    var out = [Float](repeating: 0, count: q.count)
    for block in 0..<rows.blockCount {
        let (start, end, prefix) = rows.block(block)
        for head in 0..<H {
            let kvHead = head / (H / KV)
            for t in start..<end {
                let seen = Array(0..<prefix) + Array(start...t)
                let scores = seen.map { s in
                    (0..<D).reduce(0.0) {
                        $0 + Double(q[(t * H + head) * D + $1]) * Double(k[(s * KV + kvHead) * D + $1])
                    } / Double(D).squareRoot()
                }
                let highest = scores.max()!
                let powers = scores.map { exp($0 - highest) }
                let total = powers.reduce(0, +)
                for d in 0..<D {
                    var sum = 0.0
                    for (i, s) in seen.enumerated() { sum += powers[i] / total * Double(v[(s * KV + kvHead) * D + d]) }
                    out[(t * H + head) * D + d] = Float(sum)
                }
            }
        }
    }
    return out
}
