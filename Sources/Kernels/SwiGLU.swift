import Glibc

/// `out = silu(gate) · up` with `silu(x) = x / (1 + e⁻ˣ)`. Shazeer 2020.
///
/// - Parameters:
///   - team: the threads that compute.
///   - out: `[T, F]`, overwritten; may be `gate` or `up`.
///   - gate: `[T, F]`.
///   - up: `[T, F]`.
///   - T: number of tokens.
///   - F: feed-forward neurons.
public func swiGLUForward(
    _ team: WorkerTeam, out: UnsafeMutablePointer<Float>, gate: UnsafePointer<Float>, up: UnsafePointer<Float>,
    T: Int, F: Int
) {
    let one = Float16x(repeating: 1)
    team.forEachBlock(of: T, block: 16) { rows, _ in
        var i = rows.lowerBound * F
        let end = rows.upperBound * F
        while i + 16 <= end {
            let g = gate.load16(i)
            out.store16(g / (one + exp16(-g)) * up.load16(i), at: i)
            i += 16
        }
        while i < end {
            out[i] = gate[i] / (1 + exp1(-gate[i])) * up[i]
            i += 1
        }
    }
}

/// Gradients of `swiGLUForward`'s inputs from that of its output, `dOut` `[T, F]`; all `[T, F]`.
///
/// `dGate` and `dUp` are overwritten and may be `gate`, `up` or `dOut` themselves (each element is read first).
public func swiGLUBackward(
    _ team: WorkerTeam, dGate: UnsafeMutablePointer<Float>, dUp: UnsafeMutablePointer<Float>,
    dOut: UnsafePointer<Float>, gate: UnsafePointer<Float>, up: UnsafePointer<Float>, T: Int, F: Int
) {
    let one = Float16x(repeating: 1)
    team.forEachBlock(of: T, block: 16) { rows, _ in
        var i = rows.lowerBound * F
        let end = rows.upperBound * F
        while i + 16 <= end {
            let (g, u, d) = (gate.load16(i), up.load16(i), dOut.load16(i))
            let sigmoid = one / (one + exp16(-g))
            let silu = g * sigmoid
            // silu′ = σ · (1 + g · (1 − σ))
            dGate.store16(d * u * sigmoid * (one + g * (one - sigmoid)), at: i)
            dUp.store16(d * silu, at: i)
            i += 16
        }
        while i < end {
            let (g, u, d) = (gate[i], up[i], dOut[i])
            let sigmoid = 1 / (1 + exp1(-g))
            dGate[i] = d * u * sigmoid * (1 + g * (1 - sigmoid))
            dUp[i] = d * (g * sigmoid)
            i += 1
        }
    }
}

/// The naive twin of `swiGLUForward`, in Double.
public func swiGLUReference(gate: Float, up: Float) -> Float {
    Float(Double(gate) / (1 + exp(-Double(gate))) * Double(up))
}

/// The naive twin of `swiGLUBackward`, in Double.
public func swiGLUBackwardReference(dOut: Float, gate: Float, up: Float) -> (dGate: Float, dUp: Float) {
    let (g, u, d) = (Double(gate), Double(up), Double(dOut))
    let sigmoid = 1 / (1 + exp(-g))
    return (Float(d * u * sigmoid * (1 + g * (1 - sigmoid))), Float(d * g * sigmoid))
}
