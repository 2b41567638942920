import Checkpoints
import Kernels

/// What is multiplied with weights: as it is, and rounded where products are computed in bfloat16.
struct Operand {
    /// `[m, k]`, row-major.
    let floats: UnsafePointer<Float>
    let m: Int
    let packed: PackedOperand?
}

extension Decoder {
    /// `x [m, k]` for forward products. Valid until the next operand is made, so it serves several products at once.
    func operand(_ x: UnsafePointer<Float>, m: Int, k: Int) -> Operand {
        Operand(
            floats: x, m: m,
            packed: compute == .bfloat16 ? team.pack(x, m: m, k: k, into: workspace.packedWords) : nil)
    }

    /// `out [T, rows] = x Wᵀ + b` of one projection, or `out += …` when `accumulate`.
    /// `x`: `[T, columns]`, the projection's input.
    func project(
        _ layer: Int, _ projection: Projection, _ x: Operand, into out: UnsafeMutablePointer<Float>,
        accumulate: Bool = false
    ) {
        forward(layers[layer][projection], x, into: out, accumulate: accumulate)
        adapters?.add(layer, projection, x.floats, into: out, T: x.m)
        if let bias = layers[layer].biases[projection.rawValue] {
            addRowVector(team, out: out, vector: bias, T: x.m, C: configuration.shape(of: projection)[0])
        }
    }

    /// The gradient of one projection's input, `dX [T, columns] = dOut W`, or `dX += …` when `accumulate`.
    /// `dOut`: `[T, rows]`.
    func projectBackward(
        _ layer: Int, _ projection: Projection, _ dOut: UnsafePointer<Float>, into dX: UnsafeMutablePointer<Float>,
        T: Int, accumulate: Bool = false
    ) {
        backward(layers[layer][projection], dOut, into: dX, m: T, accumulate: accumulate)
        adapters?.addBackward(layer, projection, dOut, into: dX, T: T)
    }

    /// Logits of normalised hidden states, `out [n, V] = normed [n, C] · headᵀ`.
    func projectHead(_ normed: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, n: Int) {
        forward(head, operand(normed, m: n, k: configuration.hiddenSize), into: out, accumulate: false)
    }

    /// `dNormed [n, C] = dLogits [n, V] · head`.
    func projectHeadBackward(_ dLogits: UnsafePointer<Float>, into dNormed: UnsafeMutablePointer<Float>, n: Int) {
        backward(head, dLogits, into: dNormed, m: n, accumulate: false)
    }

    private func forward(
        _ weight: FloatTensor, _ x: Operand, into out: UnsafeMutablePointer<Float>, accumulate: Bool
    ) {
        if let packed = x.packed, let half = weight.half {
            team.gemm(packed, half.pointer, n: weight.rows, out, accumulate: accumulate)
        } else {
            team.gemm(
                .nt, m: x.m, n: weight.rows, k: weight.columns, x.floats, weight.pointer, out, accumulate: accumulate)
        }
    }

    private func backward(
        _ weight: FloatTensor, _ dOut: UnsafePointer<Float>, into dX: UnsafeMutablePointer<Float>, m: Int,
        accumulate: Bool
    ) {
        if compute == .bfloat16, let half = weight.half {
            team.gemmRounding(
                dOut, m: m, k: weight.rows, half.pointer, n: weight.columns, dX, accumulate: accumulate,
                words: workspace.packedWords)
        } else {
            team.gemm(
                .nn, m: m, n: weight.columns, k: weight.rows, dOut, weight.pointer, dX, accumulate: accumulate)
        }
    }
}
