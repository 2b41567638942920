/// `out[t] = x[t] · weight / rms(x[t])`, `rms(x) = √(mean(x²) + eps)`. Zhang & Sennrich 2019.
///
/// - Parameters:
///   - team: the threads that compute.
///   - out: `[T, C]`, overwritten; may be `x` itself.
///   - inverseRMS: `[T]`, overwritten with `1 / rms`: what the backward pass needs.
///   - x: `[T, C]`.
///   - weight: `[C]`.
///   - T: number of tokens.
///   - C: values of a token.
///   - eps: added to the mean square.
public func rmsNormForward(
    _ team: WorkerTeam, out: UnsafeMutablePointer<Float>, inverseRMS: UnsafeMutablePointer<Float>,
    x: UnsafePointer<Float>, weight: UnsafePointer<Float>, T: Int, C: Int, eps: Float
) {
    team.forEachBlock(of: T) { rows, _ in
        for t in rows {
            let x = x + t * C
            let r = 1 / (sumOfProducts(x, x, C) / Float(C) + eps).squareRoot()
            inverseRMS[t] = r
            scaleByWeight(out + t * C, x, weight, r, C)
        }
    }
}

/// The output of `rmsNormForward` again, from the kept `inverseRMS`. Same bits.
public func rmsNormRecompute(
    _ team: WorkerTeam, out: UnsafeMutablePointer<Float>, inverseRMS: UnsafePointer<Float>,
    x: UnsafePointer<Float>, weight: UnsafePointer<Float>, T: Int, C: Int
) {
    team.forEachBlock(of: T) { rows, _ in
        for t in rows { scaleByWeight(out + t * C, x + t * C, weight, inverseRMS[t], C) }
    }
}

/// Adds the gradient of `rmsNormForward`'s input to `dX` `[T, C]`, given that of its output, `dOut` `[T, C]`.
public func rmsNormBackward(
    _ team: WorkerTeam, dX: UnsafeMutablePointer<Float>, dOut: UnsafePointer<Float>,
    inverseRMS: UnsafePointer<Float>, x: UnsafePointer<Float>, weight: UnsafePointer<Float>, T: Int, C: Int
) {
    team.forEachBlock(of: T) { rows, _ in
        for t in rows {
            let (x, dOut, dX) = (x + t * C, dOut + t * C, dX + t * C)
            let r = inverseRMS[t]
            // dX += r · (dOut · w − x · r² · mean(dOut · w · x))
            var partial = Float16x.zero
            var c = 0
            while c + 16 <= C {
                partial = partial.addingProduct(dOut.load16(c) * weight.load16(c), x.load16(c))
                c += 16
            }
            var dot = sum16(partial)
            while c < C {
                dot += dOut[c] * weight[c] * x[c]
                c += 1
            }
            let pull = -dot / Float(C) * r * r * r
            let (rs, pulls) = (Float16x(repeating: r), Float16x(repeating: pull))
            c = 0
            while c + 16 <= C {
                let direct = dOut.load16(c) * weight.load16(c) * rs
                dX.store16((dX.load16(c) + direct).addingProduct(x.load16(c), pulls), at: c)
                c += 16
            }
            while c < C {
                dX[c] += dOut[c] * weight[c] * r + x[c] * pull
                c += 1
            }
        }
    }
}

/// Overwrites `dWeight` `[C]` with `Σ_t dOut[t] · x[t] · inverseRMS[t]`, the rows in ascending order.
public func rmsNormBackwardWeight(
    _ team: WorkerTeam, dWeight: UnsafeMutablePointer<Float>, dOut: UnsafePointer<Float>,
    inverseRMS: UnsafePointer<Float>, x: UnsafePointer<Float>, T: Int, C: Int
) {
    team.forEachBlock(of: C, block: 64) { columns, _ in
        for c in columns { dWeight[c] = 0 }
        for t in 0..<T {
            for c in columns { dWeight[c] += dOut[t * C + c] * x[t * C + c] * inverseRMS[t] }
        }
    }
}

@inline(__always)
private func scaleByWeight(
    _ out: UnsafeMutablePointer<Float>, _ x: UnsafePointer<Float>, _ weight: UnsafePointer<Float>, _ r: Float, _ C: Int
) {
    let rs = Float16x(repeating: r)
    var c = 0
    while c + 16 <= C {
        out.store16(x.load16(c) * rs * weight.load16(c), at: c)
        c += 16
    }
    while c < C {
        out[c] = x[c] * r * weight[c]
        c += 1
    }
}

/// `Σ a[i] · b[i]` over `count` values, in a fixed order.
@inline(__always)
func sumOfProducts(_ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ count: Int) -> Float {
    var partial = Float16x.zero
    var i = 0
    while i + 16 <= count {
        partial = partial.addingProduct(a.load16(i), b.load16(i))
        i += 16
    }
    var sum = sum16(partial)
    while i < count {
        sum += a[i] * b[i]
        i += 1
    }
    return sum
}

/// The naive twin of `rmsNormForward`, in Double.
public func rmsNormReference(
    out: UnsafeMutablePointer<Float>, x: UnsafePointer<Float>, weight: UnsafePointer<Float>, T: Int, C: Int, eps: Float
) {
    for t in 0..<T {
        var squares = 0.0
        for c in 0..<C { squares += Double(x[t * C + c]) * Double(x[t * C + c]) }
        let rms = (squares / Double(C) + Double(eps)).squareRoot()
        for c in 0..<C { out[t * C + c] = Float(Double(x[t * C + c]) / rms * Double(weight[c])) }
    }
}

/// The naive twin of `rmsNormBackward` and `rmsNormBackwardWeight`, in Double; both results overwritten.
public func rmsNormBackwardReference(
    dX: UnsafeMutablePointer<Float>, dWeight: UnsafeMutablePointer<Float>, dOut: UnsafePointer<Float>,
    x: UnsafePointer<Float>, weight: UnsafePointer<Float>, T: Int, C: Int, eps: Float
) {
    var dW = [Double](repeating: 0, count: C)
    for t in 0..<T {
        var (squares, dot) = (0.0, 0.0)
        for c in 0..<C {
            let v = Double(x[t * C + c])
            squares += v * v
            dot += Double(dOut[t * C + c]) * Double(weight[c]) * v
        }
        let r = 1 / (squares / Double(C) + Double(eps)).squareRoot()
        for c in 0..<C {
            let (v, d) = (Double(x[t * C + c]), Double(dOut[t * C + c]))
            dX[t * C + c] = Float(d * Double(weight[c]) * r - v * r * r * r * dot / Double(C))
            dW[c] += d * v * r
        }
    }
    for c in 0..<C { dWeight[c] = Float(dW[c]) }
}
