import CKernels
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

/// One single-threaded product: `C [m, n] = alpha · op(A) · op(B) (+ C)`, row strides in floats.
public struct GEMMCall {
    /// By our own kernel, which copies the operands into panels first; otherwise by OpenBLAS.
    var usesPanels: Bool
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
    /// By our own kernel that copies nothing: kind `.nt`, alpha 1.
    var hasFewRows = false

    /// - Parameter scratch: `neft_sgemm_scratch_count` floats.
    @inline(__always)
    func run(scratch: UnsafeMutablePointer<Float>) {
        if hasFewRows {
            neft_sgemm_few_rows(m, n, k, a, lda, b, ldb, accumulate ? 1 : 0, c, ldc)
            return
        }
        if usesPanels {
            neft_sgemm(
                kind == .tn ? 1 : 0, kind == .nt ? 1 : 0, m, n, k, alpha, a, lda, b, ldb, accumulate ? 1 : 0, c, ldc,
                scratch)
            return
        }
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
    fileprivate enum Call {
        case single(GEMMCall)
        case bfloat16(BFloat16Call)

        var flops: Double {
            switch self {
            case .single(let call): call.flops
            case .bfloat16(let call): call.flops
            }
        }
    }

    fileprivate var calls: [[Call]]

    /// - Parameter threads: workers of the team that will fill it.
    public init(threads: Int) { calls = Array(repeating: [], count: threads) }

    /// Floating-point operations of all recorded calls.
    public var flops: Double { calls.joined().reduce(0) { $0 + $1.flops } }

    /// Forgets the calls and keeps the memory for the next ones.
    public func removeAll() { for worker in calls.indices { calls[worker].removeAll(keepingCapacity: true) } }

    @inline(__always) func note(_ call: GEMMCall, worker: Int) { calls[worker].append(.single(call)) }
    @inline(__always) func note(_ call: BFloat16Call, worker: Int) { calls[worker].append(.bfloat16(call)) }

    /// Runs the noted calls again, each worker its own. Their outputs are overwritten with meaningless values.
    public func replay(on team: WorkerTeam) {
        precondition(team.threads == calls.count, "GEMMLog: noted with another number of threads")
        team.forEach(tiles: calls.count) { tile, worker in
            for call in calls[tile] {
                switch call {
                case .single(let call): call.run(scratch: team.gemmScratch(worker: worker))
                case .bfloat16(let call): call.run(scratch: team.bfloat16Scratch(worker: worker))
                }
            }
        }
    }
}

extension WorkerTeam {
    /// Runs one call on the current worker, inside `forEach`.
    @inline(__always)
    func run(_ call: GEMMCall, worker: Int) {
        if let gemmLog { gemmLog.note(call, worker: worker) }
        call.run(scratch: gemmScratch(worker: worker))
    }

    /// Whether a product of this shape is worth the copies into panels: a few rows of A are a matter of reading B once.
    @inline(__always)
    func usesPanels(m: Int, n: Int, k: Int) -> Bool {
        hasPanelKernel && m >= PackedOperand.manyRows && n >= 16 && k >= 16
    }

    /// `C [m, n] = op(A) · op(B)`, or `C += …` when `accumulate`; row-major and dense (`ldc` = n unless given).
    ///
    /// The bits do not depend on the number of threads: our own kernels give a value the same bits in any tile, and for
    /// OpenBLAS the tiles depend on (m, n) alone. On one CPU type the same operands always give the same bits. `C` must
    /// not overlap the operands.
    public func gemm(
        _ kind: GEMMKind, m: Int, n: Int, k: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
        _ c: UnsafeMutablePointer<Float>, accumulate: Bool = false
    ) {
        guard m > 0, n > 0 else { return }
        let lda = kind == .tn ? m : k
        let ldb = kind == .nt ? k : n
        let usesPanels = usesPanels(m: m, n: n, k: k)
        let hasFewRows = hasPanelKernel && kind == .nt && m < PackedOperand.manyRows
        let (rowTiles, columnTiles) =
            hasFewRows
            ? (1, threads) : usesPanels ? panelTiles(kind, m: m, n: n, threads: threads) : gemmTiles(m: m, n: n)
        forEach(tiles: rowTiles * columnTiles) { tile, worker in
            let rows = gemmCut(m, into: rowTiles, at: tile / columnTiles)
            let columns = gemmCut(n, into: columnTiles, at: tile % columnTiles)
            if rows.isEmpty || columns.isEmpty { return }
            run(
                GEMMCall(
                    usesPanels: usesPanels, kind: kind, m: rows.count, n: columns.count, k: k, alpha: 1,
                    a: a + (kind == .tn ? rows.lowerBound : rows.lowerBound * lda), lda: lda,
                    b: b + (kind == .nt ? columns.lowerBound * ldb : columns.lowerBound), ldb: ldb,
                    c: c + rows.lowerBound * n + columns.lowerBound, ldc: n, accumulate: accumulate,
                    hasFewRows: hasFewRows),
                worker: worker)
        }
    }
}

/// Tiles of a product by panels, as many for each thread: of those the ones that spend the least on copies, each tile
/// copying its rows of A and its columns of B. A copy that transposes costs about twice as much as one that does not.
func panelTiles(_ kind: GEMMKind, m: Int, n: Int, threads: Int) -> (rows: Int, columns: Int) {
    let (costA, costB) = kind == .tn ? (1, 1) : (1, 3)
    var best = (rows: 1, columns: threads)
    var least = Int.max
    for rows in 1...max(1, m / 24) {
        var columns = 1
        while rows * columns % threads != 0 { columns += 1 }
        if columns > max(1, n / 48) { continue }
        let cost = m * columns * costA + n * max(rows, (m + 1023) / 1024) * costB
        if cost < least { (least, best) = (cost, (rows, columns)) }
    }
    return best
}

/// Tiles of a product by OpenBLAS: pieces of at most 512 rows and 768 columns (4096 where the output is as wide as a vocabulary);
/// a product that would stay whole is halved along its longer side unless it is small.
func gemmTiles(m: Int, n: Int) -> (rows: Int, columns: Int) {
    let rows = (m + 511) / 512
    let widest = n >= 16_384 ? 4096 : 768
    let columns = (n + widest - 1) / widest
    if rows * columns > 1 || m * n < 8192 { return (rows, columns) }
    return m > n ? (2, 1) : (1, 2)
}

/// Piece `index` of `count` when cut into `pieces` of nearly equal size, at multiples of `unit`.
func gemmCut(_ count: Int, into pieces: Int, at index: Int, unit: Int = 32) -> Range<Int> {
    if pieces == 1 { return 0..<count }
    let units = (count + unit - 1) / unit
    let lower = min(count, units * index / pieces * unit)
    let upper = min(count, units * (index + 1) / pieces * unit)
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
