import Kernels

extension Decoder {
    /// `out [T, rows] = x Wᵀ` of one projection, or `out += …` when `accumulate`.
    /// - Parameter x: `[T, columns]`, the projection's input.
    func project(
        _ layer: Int, _ projection: Projection, _ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>,
        T: Int, accumulate: Bool = false
    ) {
        let shape = configuration.shape(of: projection)
        team.gemm(.nt, m: T, n: shape[0], k: shape[1], x, layers[layer][projection], out, accumulate: accumulate)
    }

    /// The gradient of one projection's input, `dX [T, columns] = dOut W`, or `dX += …` when `accumulate`.
    /// - Parameter dOut: `[T, rows]`.
    func projectBackward(
        _ layer: Int, _ projection: Projection, _ dOut: UnsafePointer<Float>, into dX: UnsafeMutablePointer<Float>,
        T: Int, accumulate: Bool = false
    ) {
        let shape = configuration.shape(of: projection)
        team.gemm(.nn, m: T, n: shape[1], k: shape[0], dOut, layers[layer][projection], dX, accumulate: accumulate)
    }

    /// Logits of normalised hidden states, `out [n, V] = normed [n, C] · headᵀ`.
    func projectHead(_ normed: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, n: Int) {
        team.gemm(.nt, m: n, n: vocabularySize, k: configuration.hiddenSize, normed, head, out)
    }

    /// `dNormed [n, C] = dLogits [n, V] · head`.
    func projectHeadBackward(_ dLogits: UnsafePointer<Float>, into dNormed: UnsafeMutablePointer<Float>, n: Int) {
        team.gemm(.nn, m: n, n: configuration.hiddenSize, k: vocabularySize, dLogits, head, dNormed)
    }
}
