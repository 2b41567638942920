/// `out[t] += vector` for `T` rows of `C` floats: the bias of a linear layer.
public func addRowVector(
    _ team: WorkerTeam, out: UnsafeMutablePointer<Float>, vector: UnsafePointer<Float>, T: Int, C: Int
) {
    team.forEachBlock(of: T) { rows, _ in
        for t in rows {
            let out = out + t * C
            for c in 0..<C { out[c] += vector[c] }
        }
    }
}

/// `sums[j] = Σ_t source[t, columns[j]]`, in double precision, `t` ascending: the gradient of a bias's selected values.
///
/// The bits do not depend on the number of threads.
/// `sums`: `[k]`, overwritten.
/// `source`: `[T, O]`.
/// `columns`: `[k]`; nil for all, with `k` equal to `O`.
public func columnSums(
    _ team: WorkerTeam, sums: UnsafeMutablePointer<Float>, source: UnsafePointer<Float>,
    columns: UnsafePointer<Int32>?, T: Int, k: Int, O: Int
) {
    // Tiles are columns, so that each sum has one order.
    team.forEachBlock(of: k, block: 64) { tile, _ in
        withUnsafeTemporaryAllocation(of: Double.self, capacity: tile.count) { partial in
            partial.initialize(repeating: 0)
            for t in 0..<T {
                let row = source + t * O
                for (i, j) in tile.enumerated() { partial[i] += Double(row[columns.map { Int($0[j]) } ?? j]) }
            }
            for (i, j) in tile.enumerated() { sums[j] = Float(partial[i]) }
        }
    }
}

/// The naive twin of `addRowVector`.
public func addRowVectorReference(_ rows: [Float], vector: [Float]) -> [Float] {
    rows.indices.map { rows[$0] + vector[$0 % vector.count] }
}

/// The naive twin of `columnSums` for one column.
public func columnSumReference(column j: Int, source: [Float], O: Int) -> Float {
    Float(stride(from: j, to: source.count, by: O).reduce(0.0) { $0 + Double(source[$1]) })
}
