import Glibc

/// Rotary position embedding tables: `cos(p · θᵢ)` and `sin(p · θᵢ)` with `θᵢ = base^(−2i/D)`. Su et al. 2021.
///
/// Pairs are `(i, i + D/2)`, as in Hugging Face checkpoints.
public final class RoPETable: @unchecked Sendable {
    /// Positions `0 ..< length` are in the table.
    public let length: Int
    /// Head dimension D.
    public let headDim: Int
    private let storage: TensorStorage

    /// Computes the table in double precision; `headDim` is even.
    /// `divisors`: what each `θᵢ` is divided by, `[D / 2]`; empty for nothing.
    public init(length: Int, headDim: Int, base: Double, divisors: [Double] = []) {
        precondition(divisors.isEmpty || divisors.count == headDim / 2, "RoPETable: \(divisors.count) divisors")
        self.length = length
        self.headDim = headDim
        storage = TensorStorage(count: length * headDim)
        let half = headDim / 2
        // Angles in Float, as the reference computes them: position · inverse frequency, both rounded to Float.
        let frequencies = (0..<half).map { i in
            let frequency = 1 / pow(base, Double(2 * i) / Double(headDim))
            return Float(divisors.isEmpty ? frequency : frequency / divisors[i])
        }
        for p in 0..<length {
            for i in 0..<half {
                let angle = Float(p) * frequencies[i]
                storage.pointer[p * headDim + i] = cosf(angle)
                storage.pointer[p * headDim + half + i] = sinf(angle)
            }
        }
    }

    @inline(__always) func cosine(at position: Int) -> UnsafePointer<Float> {
        UnsafePointer(storage.pointer + position * headDim)
    }
    @inline(__always) func sine(at position: Int) -> UnsafePointer<Float> {
        UnsafePointer(storage.pointer + position * headDim + headDim / 2)
    }
}

/// Rotates every head of `x` `[T, heads · D]` in place by its token's position; `inverse` rotates back, which is also
/// the gradient: `dX = R⁻¹ dOut`.
///
/// - Parameters:
///   - team: the threads that compute.
///   - x: rotated in place.
///   - positions: `[T]`, each less than `table.length`.
///   - table: of cosines and sines.
///   - T: number of tokens.
///   - heads: heads of a token.
///   - inverse: whether to rotate back.
public func ropeInPlace(
    _ team: WorkerTeam, x: UnsafeMutablePointer<Float>, positions: UnsafePointer<Int32>, table: RoPETable, T: Int,
    heads: Int, inverse: Bool = false
) {
    let D = table.headDim
    let half = D / 2
    team.forEachBlock(of: T) { rows, _ in
        for t in rows {
            let position = Int(positions[t])
            let (cosine, sine) = (table.cosine(at: position), table.sine(at: position))
            let sign: Float = inverse ? -1 : 1
            let signs = Float16x(repeating: sign)
            for head in 0..<heads {
                let x = x + (t * heads + head) * D
                var i = 0
                while i + 16 <= half {
                    let (a, b) = (x.load16(i), x.load16(i + half))
                    let (c, s) = (cosine.load16(i), sine.load16(i) * signs)
                    x.store16(a * c - b * s, at: i)
                    x.store16(b * c + a * s, at: i + half)
                    i += 16
                }
                while i < half {
                    let (a, b) = (x[i], x[i + half])
                    let (c, s) = (cosine[i], sine[i] * sign)
                    x[i] = a * c - b * s
                    x[i + half] = b * c + a * s
                    i += 1
                }
            }
        }
    }
}

/// The naive twin of `ropeInPlace`, angles in Double.
public func ropeReference(
    x: UnsafeMutablePointer<Float>, positions: [Int32], base: Double, divisors: [Double] = [], T: Int, heads: Int,
    headDim D: Int, inverse: Bool = false
) {
    for t in 0..<T {
        for head in 0..<heads {
            for i in 0..<D / 2 {
                let frequency = pow(base, -Double(2 * i) / Double(D)) / (divisors.isEmpty ? 1 : divisors[i])
                let angle = Double(positions[t]) * frequency * (inverse ? -1 : 1)
                let at = (t * heads + head) * D + i
                let (a, b) = (Double(x[at]), Double(x[at + D / 2]))
                x[at] = Float(a * cos(angle) - b * sin(angle))
                x[at + D / 2] = Float(b * cos(angle) + a * sin(angle))
            }
        }
    }
}
