import Glibc

/// Softmax cross-entropy of rows of logits: `losses[i] = log Σⱼ e^{zᵢⱼ} − z_{i, target}` in nats.
///
/// - Parameters:
///   - team: the threads that compute.
///   - losses: `[n]`, overwritten.
///   - logits: `[n, V]`.
///   - targets: `[n]`, each in `0 ..< V`.
///   - n: number of rows.
///   - V: size of the vocabulary.
///   - gradientScale: when given, `logits` is overwritten with the gradient of `gradientScale · Σ losses`,
///     `(softmax − onehot) · gradientScale`; when nil it is left as it is.
public func crossEntropy(
    _ team: WorkerTeam, losses: UnsafeMutablePointer<Float>, logits: UnsafeMutablePointer<Float>,
    targets: UnsafePointer<Int32>, n: Int, V: Int, gradientScale: Float?
) {
    team.forEachBlock(of: n, block: 4) { rows, _ in
        for i in rows {
            let z = logits + i * V
            let highest = maximum(z, V)
            let highs = Float16x(repeating: highest)
            // Sums of 16 384 values in Float, those in Double: the vocabulary is long.
            var total = 0.0
            var j = 0
            while j + 16 <= V {
                var partial = Float16x.zero
                let stop = min(V - 15, j + 16_384)
                while j < stop {
                    partial += exp16(z.load16(j) - highs)
                    j += 16
                }
                total += Double(sum16(partial))
            }
            while j < V {
                total += Double(exp1(z[j] - highest))
                j += 1
            }
            let target = Int(targets[i])
            losses[i] = Float(log(total) - Double(z[target] - highest))
            guard let gradientScale else { continue }
            let factor = Float(Double(gradientScale) / total)
            let factors = Float16x(repeating: factor)
            j = 0
            while j + 16 <= V {
                z.store16(exp16(z.load16(j) - highs) * factors, at: j)
                j += 16
            }
            while j < V {
                z[j] = exp1(z[j] - highest) * factor
                j += 1
            }
            z[target] -= gradientScale
        }
    }
}

/// Largest of `count` ≥ 1 values.
@inline(__always)
func maximum(_ x: UnsafePointer<Float>, _ count: Int) -> Float {
    var best = x[0]
    var i = 0
    if count >= 16 {
        var bests = x.load16(0)
        i = 16
        while i + 16 <= count {
            let v = x.load16(i)
            bests = bests.replacing(with: v, where: v .> bests)
            i += 16
        }
        best = max16(bests)
    }
    while i < count {
        best = max(best, x[i])
        i += 1
    }
    return best
}

/// Index of the largest of `count` ≥ 1 values; the first where several are equal.
public func argmax(_ x: UnsafePointer<Float>, _ count: Int) -> Int {
    let best = maximum(x, count)
    for i in 0..<count where x[i] == best { return i }
    return 0  // only when every value is NaN
}

/// The naive twin of `crossEntropy` for one row, in Double: the loss and the gradient for scale 1.
public func crossEntropyReference(_ logits: [Float], target: Int) -> (loss: Double, gradient: [Double]) {
    let highest = Double(logits.max() ?? 0)
    let powers = logits.map { exp(Double($0) - highest) }
    let total = powers.reduce(0, +)
    var gradient = powers.map { $0 / total }
    gradient[target] -= 1
    return (log(total) + highest - Double(logits[target]), gradient)
}
