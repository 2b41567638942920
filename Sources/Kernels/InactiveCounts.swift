import Glibc

/// `counts[j] += Σ_t weights[t]` over the tokens `t` at which neuron `j` is inactive: `|silu(gate[t, j])| < threshold`,
/// with `silu` as `swiGLUForward` computes it. A gate that is not a number is not inactive.
///
/// - Parameters:
///   - team: the threads that compute.
///   - counts: `[F]`.
///   - gate: `[T, F]`, before the activation function.
///   - weights: `[T]`, how often each token counts; their sum fits an `Int32`.
///   - T: number of tokens.
///   - F: feed-forward neurons.
///   - threshold: of the magnitude.
public func addInactiveCounts(
    _ team: WorkerTeam, counts: UnsafeMutablePointer<Int>, gate: UnsafePointer<Float>, weights: UnsafePointer<Int32>,
    T: Int, F: Int, threshold: Float
) {
    let (one, limit) = (Float16x(repeating: 1), Float16x(repeating: threshold))
    // Tiles are columns: each has its own counts.
    team.forEachBlock(of: F, block: 64) { columns, _ in
        var j = columns.lowerBound
        while j + 16 <= columns.upperBound {
            var total = SIMD16<Int32>()
            for t in 0..<T {
                let g = gate.load16(t * F + j)
                let silu = g / (one + exp16(-g))
                let isInactive = (silu .< limit) .& (silu .> -limit)
                total &+= SIMD16<Int32>().replacing(with: SIMD16(repeating: weights[t]), where: isInactive)
            }
            for lane in 0..<16 { counts[j + lane] += Int(total[lane]) }
            j += 16
        }
        for j in j..<columns.upperBound {
            for t in 0..<T {
                let g = gate[t * F + j]
                if (g / (1 + exp1(-g))).magnitude < threshold { counts[j] += Int(weights[t]) }
            }
        }
    }
}

/// The magnitude that `addInactiveCounts` compares, in Double.
public func activationMagnitudeReference(gate: Float) -> Double { (Double(gate) / (1 + exp(-Double(gate)))).magnitude }
