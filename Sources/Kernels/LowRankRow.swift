/// One row of a low-rank product: `out [columns] += factor · Σ b[r] · a[r, :]`, summed before it is added.
///
/// `b`: `[rank]`, a row of the left factor; zeros cost nothing.
/// `a`: `[rank, columns]`.
public func addLowRankRow(
    to out: UnsafeMutablePointer<Float>, b: UnsafePointer<Float>, a: UnsafePointer<Float>, rank: Int, columns: Int,
    factor: Float
) {
    let terms = (0..<rank).filter { b[$0] != 0 }
    guard !terms.isEmpty else { return }
    var column = 0
    while column + 16 <= columns {
        var sum = Float16x(repeating: 0)
        for r in terms { sum = sum.addingProduct((a + r * columns).load16(column), Float16x(repeating: b[r])) }
        out.store16(out.load16(column).addingProduct(sum, Float16x(repeating: factor)), at: column)
        column += 16
    }
    for column in column..<columns {
        var sum: Float = 0
        for r in terms { sum = sum.addingProduct(a[r * columns + column], b[r]) }
        out[column] = out[column].addingProduct(sum, factor)
    }
}
