import CKernels

/// The bits of a bfloat16: the upper half of a float's.
public typealias BFloat16Bits = UInt16

/// A product's left operand, `[m, k]`, rounded to bfloat16 and laid out for the kernel. Made by `WorkerTeam.pack`.
public struct PackedOperand {
    /// Rows.
    public let m: Int
    /// Columns: the values that are summed over.
    public let k: Int
    /// Of the product it is packed for: `.nt` or `.nn`.
    let kind: GEMMKind
    let words: UnsafeMutablePointer<BFloat16Bits>
    /// Few rows of a forward pass stay as they are: reading the weights once is all that counts.
    var isPlain: Bool { m < Self.manyRows && kind == .nt }
    /// From so many rows on a product is worth copying its right operand into panels.
    static let manyRows = 24

    /// 16-bit words that `pack` writes for an operand of this shape.
    public static func wordCount(m: Int, k: Int) -> Int { neft_bf16_panels_count(m, k) }

    /// 16-bit words of the largest part of such an operand in `gemmRounding`.
    public static func partWordCount(m: Int, k: Int) -> Int { wordCount(m: m, k: min(k, partDepth + 32)) }
    private static let partDepth = 1024
    static func parts(_ k: Int) -> Int { max(1, (k + partDepth - 1) / partDepth) }
}

/// One single-threaded product with bfloat16 operands: rows `rows` of `C = A · op(B)` (+ C), fp32.
struct BFloat16Call {
    var a: PackedOperand
    var rows: Range<Int>
    var n: Int
    var b: UnsafePointer<BFloat16Bits>
    var ldb: Int
    var c: UnsafeMutablePointer<Float>
    var ldc: Int
    var accumulate: Bool

    @inline(__always)
    func run(scratch: UnsafeMutablePointer<BFloat16Bits>) {
        if a.isPlain {
            neft_bf16_few_rows(
                rows.count, n, a.k, a.words + rows.lowerBound * a.k, a.k, b, ldb, accumulate ? 1 : 0, c, ldc)
        } else {
            neft_bf16_gemm(
                a.words, a.m, rows.lowerBound, rows.upperBound, a.kind == .nt ? 1 : 0, n, a.k, b, ldb,
                accumulate ? 1 : 0, c, ldc, scratch)
        }
    }

    var flops: Double { 2 * Double(rows.count) * Double(n) * Double(a.k) }
}

extension CPU {
    /// Whether the CPU multiplies bfloat16 (AVX512_BF16); without it `gemm` with packed operands must not be called.
    public static var hasBFloat16: Bool { neft_bf16_gemm_is_available() != 0 }
}

extension WorkerTeam {
    /// Rounds `x [m, k]` to bfloat16, to nearest, ties to even, for `gemm`.
    /// - Parameters:
    ///   - x: `[m, k]`.
    ///   - m: rows.
    ///   - k: columns.
    ///   - words: `PackedOperand.wordCount` of memory, which the result uses.
    public func pack(
        _ x: UnsafePointer<Float>, m: Int, k: Int, into words: UnsafeMutablePointer<BFloat16Bits>
    ) -> PackedOperand { pack(x, stride: k, m: m, k: k, for: .nt, into: words) }

    private func pack(
        _ x: UnsafePointer<Float>, stride: Int, m: Int, k: Int, for kind: GEMMKind,
        into words: UnsafeMutablePointer<BFloat16Bits>
    ) -> PackedOperand {
        let operand = PackedOperand(m: m, k: k, kind: kind, words: words)
        if operand.isPlain {
            neft_bf16_from_floats(x, words, m * k)
        } else {
            forEachBlock(of: m, block: 64) { rows, _ in
                neft_bf16_pack(x, stride, m, k, rows.lowerBound, rows.upperBound, words)
            }
        }
        return operand
    }

    /// `C [m, n] = A · Bᵀ`, or `C += …` when `accumulate`, with fp32 sums of exact products of bfloat16; dense.
    ///
    /// The bits do not depend on the number of threads, and a value's not on n. `C` must not overlap the operands.
    /// - Parameters:
    ///   - a: `[m, k]`, packed.
    ///   - b: `[n, k]`.
    ///   - n: rows of `b`.
    ///   - c: `[m, n]`.
    ///   - accumulate: whether to add to `c`.
    public func gemm(
        _ a: PackedOperand, _ b: UnsafePointer<BFloat16Bits>, n: Int, _ c: UnsafeMutablePointer<Float>,
        accumulate: Bool = false
    ) { multiply(a, b, n: n, c, accumulate: accumulate) }

    /// `C [m, n] = X · B`, or `C += …` when `accumulate`, with both operands rounded to bfloat16; as `gemm` otherwise.
    ///
    /// No other product uses the same `X`, so it is rounded part by part along k, right before its use in the caches.
    /// - Parameters:
    ///   - x: `[m, k]`.
    ///   - m: rows of `x`.
    ///   - k: values that are summed.
    ///   - b: `[k, n]`.
    ///   - n: columns of `b`.
    ///   - c: `[m, n]`.
    ///   - accumulate: whether to add to `c`.
    ///   - words: `PackedOperand.partWordCount` of memory.
    public func gemmRounding(
        _ x: UnsafePointer<Float>, m: Int, k: Int, _ b: UnsafePointer<BFloat16Bits>, n: Int,
        _ c: UnsafeMutablePointer<Float>, accumulate: Bool = false, words: UnsafeMutablePointer<BFloat16Bits>
    ) {
        let parts = PackedOperand.parts(k)
        for part in 0..<parts {
            let range = gemmCut(k, into: parts, at: part)
            let operand = pack(x + range.lowerBound, stride: k, m: m, k: range.count, for: .nn, into: words)
            multiply(operand, b + range.lowerBound * n, n: n, c, accumulate: accumulate || part > 0)
        }
    }

    private func multiply(
        _ a: PackedOperand, _ b: UnsafePointer<BFloat16Bits>, n: Int, _ c: UnsafeMutablePointer<Float>,
        accumulate: Bool
    ) {
        guard a.m > 0, n > 0 else { return }
        let (isForward, ldb) = (a.kind == .nt, a.kind == .nt ? a.k : n)
        let (rowTiles, columnTiles) = bfloat16Tiles(m: a.m, n: n, threads: threads)
        forEach(tiles: rowTiles * columnTiles) { tile, worker in
            let rows = gemmCut(a.m, into: rowTiles, at: tile / columnTiles)
            let columns = gemmCut(n, into: columnTiles, at: tile % columnTiles, unit: 48)
            if rows.isEmpty || columns.isEmpty { return }
            run(
                BFloat16Call(
                    a: a, rows: rows, n: columns.count,
                    b: b + (isForward ? columns.lowerBound * ldb : columns.lowerBound), ldb: ldb,
                    c: c + rows.lowerBound * n + columns.lowerBound, ldc: n, accumulate: accumulate),
                worker: worker)
        }
    }

    /// Runs one call on the current worker, inside `forEach`.
    @inline(__always)
    func run(_ call: BFloat16Call, worker: Int) {
        if let gemmLog { gemmLog.note(call, worker: worker) }
        call.run(scratch: bfloat16Scratch(worker: worker))
    }
}

/// Tiles of a product of bfloat16: every tile copies its columns of B, so as few as possible lie below each other.
func bfloat16Tiles(m: Int, n: Int, threads: Int) -> (rows: Int, columns: Int) {
    let widest = max(1, n / 48)
    for rows in 1...threads where threads % rows == 0 && (threads / rows <= widest || rows == threads) {
        return (rows, threads / rows)
    }
    return (1, 1)
}
