import CKernels

/// `out[i] = source[rows[i]]` for rows of `C` floats: embedding look-up and the choice of target positions.
public func gatherRows(
    _ team: WorkerTeam, out: UnsafeMutablePointer<Float>, source: UnsafePointer<Float>, rows: UnsafePointer<Int32>,
    n: Int, C: Int
) {
    team.forEachBlock(of: n) { range, _ in
        for i in range { (out + i * C).update(from: source + Int(rows[i]) * C, count: C) }
    }
}

/// The same from rows of bfloat16.
public func gatherRows(
    _ team: WorkerTeam, out: UnsafeMutablePointer<Float>, source: UnsafePointer<BFloat16Bits>,
    rows: UnsafePointer<Int32>, n: Int, C: Int
) {
    team.forEachBlock(of: n) { range, _ in
        for i in range { neft_bf16_to_floats(source + Int(rows[i]) * C, out + i * C, C) }
    }
}

/// `out = source` for `T` rows of `C` floats.
public func copyRows(
    _ team: WorkerTeam, out: UnsafeMutablePointer<Float>, source: UnsafePointer<Float>, T: Int, C: Int
) {
    team.forEachBlock(of: T) { rows, _ in
        (out + rows.lowerBound * C).update(from: source + rows.lowerBound * C, count: rows.count * C)
    }
}

/// `destination[rows[i]] += source[i]` for rows of `C` floats, `i` ascending; rows may repeat.
public func scatterAddRows(
    _ team: WorkerTeam, destination: UnsafeMutablePointer<Float>, source: UnsafePointer<Float>,
    rows: UnsafePointer<Int32>, n: Int, C: Int
) {
    // Tiles are columns, so that repeated rows are added in one order by one worker.
    team.forEachBlock(of: C, block: 64) { columns, _ in
        for i in 0..<n {
            let to = destination + Int(rows[i]) * C
            let from = source + i * C
            for c in columns { to[c] += from[c] }
        }
    }
}

/// `out[t, j] = source[t, columns[j]]`: the output gradients of the selected neurons, `[T, k]` from `[T, O]`.
public func gatherColumns(
    _ team: WorkerTeam, out: UnsafeMutablePointer<Float>, source: UnsafePointer<Float>, columns: UnsafePointer<Int32>,
    T: Int, k: Int, O: Int
) {
    team.forEachBlock(of: T) { rows, _ in
        for t in rows {
            let (out, source) = (out + t * k, source + t * O)
            for j in 0..<k { out[j] = source[Int(columns[j])] }
        }
    }
}
