import COpenBLAS

/// Which operands of `C = A · B` are stored transposed. Row-major.
public enum GEMMKind: Sendable {
    /// `A [m, k] · Bᵀ` with `B [n, k]`: a linear layer's forward, `x Wᵀ`.
    case nt
    /// `A [m, k] · B [k, n]`: the gradient of a linear layer's input, `dy W`.
    case nn
    /// `Aᵀ · B` with `A [k, m]`, `B [k, n]`: the gradient of a weight, `dyᵀ x`.
    case tn
}

/// One single-threaded call of the BLAS: `C [m, n] = alpha · op(A) · op(B) (+ C)`, row strides in floats.
public struct GEMMCall {
    var kind: GEMMKind
    var m: Int, n: Int, k: Int
    var alpha: Float
    var a: UnsafePointer<Float>
    var lda: Int
    var b: UnsafePointer<Float>
    var ldb: Int
    var c: UnsafeMutablePointer<Float>
    var ldc: Int
    var accumulate: Bool

    @inline(__always)
    func run() {
        cblas_sgemm(
            CblasRowMajor, kind == .tn ? CblasTrans : CblasNoTrans, kind == .nt ? CblasTrans : CblasNoTrans,
            blasint(m), blasint(n), blasint(k), alpha, a, blasint(lda), b, blasint(ldb), accumulate ? 1 : 0, c,
            blasint(ldc))
    }

    /// Floating-point operations of the call.
    var flops: Double { 2 * Double(m) * Double(n) * Double(k) }
}

/// Every GEMM of a stretch of work, per worker, with its real operands: what `replay` runs again, alone.
public final class GEMMLog: @unchecked Sendable {
    fileprivate(set) var calls: [[GEMMCall]]

    /// - Parameter threads: workers of the team that will fill it.
    public init(threads: Int) { calls = Array(repeating: [], count: threads) }

    public var flops: Double { calls.joined().reduce(0) { $0 + $1.flops } }
    public var callCount: Int { calls.reduce(0) { $0 + $1.count } }

    @inline(__always) func note(_ call: GEMMCall, worker: Int) { calls[worker].append(call) }

    /// Runs the noted calls again, each worker its own. Their outputs are overwritten with meaningless values.
    public func replay(on team: WorkerTeam) {
        precondition(team.threads == calls.count, "GEMMLog: noted with another number of threads")
        team.forEach(tiles: calls.count) { tile, _ in
            for call in calls[tile] { call.run() }
        }
    }
}

extension WorkerTeam {
    /// Runs one call on the current worker, inside `forEach`.
    @inline(__always)
    func run(_ call: GEMMCall, worker: Int) {
        if let gemmLog { gemmLog.note(call, worker: worker) }
        call.run()
    }

    /// `C [m, n] = op(A) · op(B)`, or `C += …` when `accumulate`; row-major and dense (`ldc` = n unless given).
    ///
    /// The product is cut into tiles by (m, n) alone, so that the bits do not depend on the number of threads; on one
    /// CPU type the same operands always give the same bits. `C` must not overlap the operands.
    public func gemm(
        _ kind: GEMMKind, m: Int, n: Int, k: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
        _ c: UnsafeMutablePointer<Float>, accumulate: Bool = false
    ) {
        guard m > 0, n > 0 else { return }
        let lda = kind == .tn ? m : k
        let ldb = kind == .nt ? k : n
        let (rowTiles, columnTiles) = gemmTiles(m: m, n: n)
        forEach(tiles: rowTiles * columnTiles) { tile, worker in
            let rows = gemmCut(m, into: rowTiles, at: tile / columnTiles)
            let columns = gemmCut(n, into: columnTiles, at: tile % columnTiles)
            if rows.isEmpty || columns.isEmpty { return }
            run(
                GEMMCall(
                    kind: kind, m: rows.count, n: columns.count, k: k, alpha: 1,
                    a: a + (kind == .tn ? rows.lowerBound : rows.lowerBound * lda), lda: lda,
                    b: b + (kind == .nt ? columns.lowerBound * ldb : columns.lowerBound), ldb: ldb,
                    c: c + rows.lowerBound * n + columns.lowerBound, ldc: n, accumulate: accumulate),
                worker: worker)
        }
    }
}

/// Tiles of a product: pieces of at most 512 rows and 768 columns (4096 where the output is as wide as a vocabulary);
/// a product that would stay whole is halved along its longer side unless it is small.
func gemmTiles(m: Int, n: Int) -> (rows: Int, columns: Int) {
    let rows = (m + 511) / 512
    let widest = n >= 16_384 ? 4096 : 768
    let columns = (n + widest - 1) / widest
    if rows * columns > 1 || m * n < 8192 { return (rows, columns) }
    return m > n ? (2, 1) : (1, 2)
}

/// Piece `index` of `count` when cut into `pieces` of nearly equal size, at multiples of 32.
func gemmCut(_ count: Int, into pieces: Int, at index: Int) -> Range<Int> {
    if pieces == 1 { return 0..<count }
    let units = (count + 31) / 32
    let lower = min(count, units * index / pieces * 32)
    let upper = min(count, units * (index + 1) / pieces * 32)
    return lower..<upper
}

/// The naive twin of `WorkerTeam.gemm`, summed in Double.
public func gemmReference(
    _ kind: GEMMKind, m: Int, n: Int, k: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    _ c: UnsafeMutablePointer<Float>, accumulate: Bool = false
) {
    for i in 0..<m {
        for j in 0..<n {
            var sum = 0.0
            for p in 0..<k {
                let x = kind == .tn ? a[p * m + i] : a[i * k + p]
                let y = kind == .nt ? b[j * k + p] : b[p * n + j]
                sum += Double(x) * Double(y)
            }
            c[i * n + j] = Float(sum) + (accumulate ? c[i * n + j] : 0)
        }
    }
}
