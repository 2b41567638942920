/// `sums[j] = Σ_t weights[t] · source[t, j]`, or of `|source[t, j]|`: in double precision, `t` ascending.
///
/// The bits do not depend on the number of threads.
/// - Parameters:
///   - team: the threads that compute.
///   - sums: `[O]`, overwritten.
///   - source: `[T, O]`.
///   - weights: `[T]`; rows of weight 0 are not read.
///   - T: number of tokens.
///   - O: number of columns.
///   - ofMagnitudes: whether to sum `|source|`.
public func weightedColumnSums(
    _ team: WorkerTeam, sums: UnsafeMutablePointer<Double>, source: UnsafePointer<Float>,
    weights: UnsafePointer<Double>, T: Int, O: Int, ofMagnitudes: Bool
) {
    // Tiles are columns, so that each sum has one order.
    team.forEachBlock(of: O, block: 64) { columns, _ in
        for j in columns { sums[j] = 0 }
        for t in 0..<T where weights[t] != 0 {
            let (row, weight) = (source + t * O, weights[t])
            if ofMagnitudes {
                for j in columns { sums[j] += weight * Double(row[j].magnitude) }
            } else {
                for j in columns { sums[j] += weight * Double(row[j]) }
            }
        }
    }
}

/// The naive twin of `weightedColumnSums` for one column.
public func weightedColumnSumReference(
    column j: Int, source: [Float], weights: [Double], O: Int, ofMagnitudes: Bool
) -> Double {
    weights.indices.reduce(0) { sum, t in
        let value = Double(source[t * O + j])
        return sum + weights[t] * (ofMagnitudes ? abs(value) : value)
    }
}
