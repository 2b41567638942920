import Glibc

/// Attention of one new token per sequence over its cached keys and values.
///
/// - Parameters:
///   - team: the threads that compute.
///   - out: `[n, H · D]`, overwritten.
///   - q: `[n, H · D]`, rotated.
///   - caches: for each of the `n` sequences its keys and values, `[length, KV · D]` each, the new token's included.
///   - shape: heads and their size.
///   - scratch: the longest length in floats, per worker.
///   - scratchStride: floats from one worker's scratch to the next one's.
public func cachedAttention(
    _ team: WorkerTeam, out: UnsafeMutablePointer<Float>, q: UnsafePointer<Float>,
    caches: [(keys: UnsafePointer<Float>, values: UnsafePointer<Float>, length: Int)], shape: AttentionShape,
    scratch: UnsafeMutablePointer<Float>, scratchStride: Int
) {
    let (H, KV, D) = (shape.heads, shape.kvHeads, shape.headDim)
    let (qStride, kvStride, group) = (H * D, KV * D, H / KV)
    team.forEach(tiles: caches.count * KV) { tile, worker in
        let (sequence, kvHead) = (tile / KV, tile % KV)
        let cache = caches[sequence]
        let scores = scratch + worker * scratchStride
        let (keys, values) = (cache.keys + kvHead * D, cache.values + kvHead * D)
        for head in 0..<group {
            let q = q + sequence * qStride + (kvHead * group + head) * D
            for t in 0..<cache.length { scores[t] = sumOfProducts(q, keys + t * kvStride, D) * shape.scale }
            _ = softmaxRow(scores, visible: cache.length, cache.length)
            let out = out + sequence * qStride + (kvHead * group + head) * D
            out.update(repeating: 0, count: D)
            for t in 0..<cache.length {
                let (p, v) = (scores[t], values + t * kvStride)
                let ps = Float16x(repeating: p)
                var d = 0
                while d + 16 <= D {
                    out.store16(out.load16(d).addingProduct(v.load16(d), ps), at: d)
                    d += 16
                }
                while d < D {
                    out[d] += p * v[d]
                    d += 1
                }
            }
        }
    }
}
