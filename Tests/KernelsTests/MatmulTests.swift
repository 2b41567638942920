import CKernels
import Kernels
import TestSupport
import Testing

@Suite struct MatmulTests {
    static let sizes = [
        (1, 1, 1), (3, 5, 7), (17, 33, 65), (64, 160, 48), (130, 97, 64), (517, 800, 20), (40, 16_500, 8), (24, 16, 16),
        (29, 49, 577), (1030, 70, 1200), (33, 300, 601),
    ]

    @Test(arguments: [GEMMKind.nt, .nn, .tn], sizes)
    func matchesTheNaiveTwin(kind: GEMMKind, size: (Int, Int, Int)) {
        let (m, n, k) = size
        let (a, b, start) = (randomFloats(m * k, seed: 1), randomFloats(n * k, seed: 2), randomFloats(m * n, seed: 3))
        for accumulate in [false, true] {
            var (c, expected) = (start, start)
            var byOpenBLAS = start
            WorkerTeam(threads: 2).gemm(kind, m: m, n: n, k: k, a, b, &c, accumulate: accumulate)
            WorkerTeam(threads: 2, usesPanelKernel: false).gemm(
                kind, m: m, n: n, k: k, a, b, &byOpenBLAS, accumulate: accumulate)
            gemmReference(kind, m: m, n: n, k: k, a, b, &expected, accumulate: accumulate)
            #expect(relativeError(c, expected) < 2e-6)
            #expect(relativeError(byOpenBLAS, expected) < 2e-6)
        }
    }

    /// Products inside larger matrices, and what lies beside them stays as it is.
    @Test(.enabled(if: CPU.hasPanelKernel), arguments: [(0, 0), (0, 1), (1, 0), (1, 1)])
    func panelKernelWithStrides(transpose: (a: Int, b: Int)) {
        let scratch = TensorStorage(count: neft_sgemm_scratch_count())
        for (m, n, k) in [(1, 1, 1), (7, 47, 15), (8, 48, 16), (9, 49, 17), (23, 113, 600), (40, 15, 33)] {
            let (lda, ldb, ldc) = ((transpose.a == 1 ? m : k) + 3, (transpose.b == 1 ? k : n) + 5, n + 7)
            let a = randomFloats(max(m, k) * lda, seed: 8)
            let b = randomFloats(max(n, k) * ldb, seed: 9)
            let start = randomFloats(m * ldc, seed: 10)
            for accumulate in [false, true] {
                var c = start
                neft_sgemm(
                    Int32(transpose.a), Int32(transpose.b), m, n, k, 0.5, a, lda, b, ldb, accumulate ? 1 : 0, &c, ldc,
                    scratch.pointer)
                var expected = start
                for i in 0..<m {
                    for j in 0..<n {
                        var sum = 0.0
                        for p in 0..<k {
                            let x = transpose.a == 1 ? a[p * lda + i] : a[i * lda + p]
                            let y = transpose.b == 1 ? b[j * ldb + p] : b[p * ldb + j]
                            sum += Double(x) * Double(y)
                        }
                        expected[i * ldc + j] = Float(sum * 0.5) + (accumulate ? start[i * ldc + j] : 0)
                    }
                }
                #expect(relativeError(c, expected) < 2e-6)
                for i in 0..<m { #expect(c[i * ldc + n..<(i + 1) * ldc] == start[i * ldc + n..<(i + 1) * ldc]) }
            }
        }
    }

    /// Products of few rows, inside larger matrices, with whatever is left over along each side.
    @Test(.enabled(if: CPU.hasPanelKernel), arguments: [1, 2, 5, 6, 7, 13, 23])
    func fewRowsWithStrides(m: Int) {
        for (n, k) in [(1, 1), (3, 15), (4, 16), (5, 17), (9, 577), (66, 40)] {
            let (lda, ldb, ldc) = (k + 3, k + 5, n + 7)
            let (a, b) = (randomFloats(m * lda, seed: 8), randomFloats(n * ldb, seed: 9))
            let start = randomFloats(m * ldc, seed: 10)
            for accumulate in [false, true] {
                var (c, expected) = (start, start)
                neft_sgemm_few_rows(m, n, k, a, lda, b, ldb, accumulate ? 1 : 0, &c, ldc)
                for i in 0..<m {
                    for j in 0..<n {
                        let sum = (0..<k).reduce(0.0) { $0 + Double(a[i * lda + $1]) * Double(b[j * ldb + $1]) }
                        expected[i * ldc + j] = Float(sum) + (accumulate ? start[i * ldc + j] : 0)
                    }
                }
                #expect(relativeError(c, expected) < 2e-6)
                for i in 0..<m { #expect(c[i * ldc + n..<(i + 1) * ldc] == start[i * ldc + n..<(i + 1) * ldc]) }
            }
        }
    }

    /// A row has the same bits whatever other rows there are, on any number of threads.
    @Test(.enabled(if: CPU.hasPanelKernel)) func fewRowsHaveTheBitsOfEach() {
        let (m, n, k) = (23, 301, 577)
        let (a, b) = (randomFloats(m * k, seed: 11), randomFloats(n * k, seed: 12))
        var (all, one) = ([Float](repeating: 0, count: m * n), [Float](repeating: 0, count: n))
        WorkerTeam(threads: 3).gemm(.nt, m: m, n: n, k: k, a, b, &all)
        for row in 0..<m {
            WorkerTeam(threads: 1).gemm(.nt, m: 1, n: n, k: k, Array(a[row * k..<(row + 1) * k]), b, &one)
            #expect(one.map(\.bitPattern) == all[row * n..<(row + 1) * n].map(\.bitPattern))
        }
    }

    /// The kernel's promise on which the tiles rest.
    @Test(.enabled(if: CPU.hasPanelKernel)) func aTileHasTheBitsOfTheWhole() {
        let (m, n, k) = (61, 205, 1300)
        let (a, b) = (randomFloats(m * k, seed: 11), randomFloats(n * k, seed: 12))
        let scratch = TensorStorage(count: neft_sgemm_scratch_count())
        var (whole, tiles) = ([Float](repeating: 0, count: m * n), [Float](repeating: 0, count: m * n))
        neft_sgemm(0, 1, m, n, k, 1, a, k, b, k, 0, &whole, n, scratch.pointer)
        let (rows, columns) = ([0, 1, 14, 40, m], [0, 17, 100, 203, n])
        tiles.withUnsafeMutableBufferPointer { c in
            for (i0, i1) in zip(rows, rows.dropFirst()) {
                for (j0, j1) in zip(columns, columns.dropFirst()) {
                    a.withUnsafeBufferPointer { a in
                        b.withUnsafeBufferPointer { b in
                            neft_sgemm(
                                0, 1, i1 - i0, j1 - j0, k, 1, a.baseAddress! + i0 * k, k, b.baseAddress! + j0 * k, k, 0,
                                c.baseAddress! + i0 * n + j0, n, scratch.pointer)
                        }
                    }
                }
            }
        }
        #expect(bits(whole) == bits(tiles))
    }

    @Test(arguments: [GEMMKind.nt, .nn, .tn])
    func bitsDoNotDependOnThreads(kind: GEMMKind) {
        for (m, n, k) in [(517, 1536, 576), (320, 576, 1536), (33, 20_000, 64)] {
            let (a, b) = (randomFloats(m * k, seed: 4), randomFloats(n * k, seed: 5))
            let results = [1, 2, 3].map { threads in
                var c = [Float](repeating: .nan, count: m * n)
                WorkerTeam(threads: threads).gemm(kind, m: m, n: n, k: k, a, b, &c)
                return bits(c)
            }
            #expect(results[0] == results[1])
            #expect(results[0] == results[2])
        }
    }

    @Test func theLogHoldsEveryCallAndReplaysIt() {
        let (m, n, k) = (96, 200, 40)
        let (a, b) = (randomFloats(m * k, seed: 6), randomFloats(n * k, seed: 7))
        let team = WorkerTeam(threads: 2)
        let log = GEMMLog(threads: 2)
        let c = TensorStorage(count: m * n)
        a.withUnsafeBufferPointer { a in
            b.withUnsafeBufferPointer { b in
                team.gemmLog = log
                team.gemm(.nt, m: m, n: n, k: k, a.baseAddress!, b.baseAddress!, c.pointer)
                team.gemmLog = nil
                #expect(log.flops == Double(2 * m * n * k))
                let first = Array(c.buffer)
                c.buffer.update(repeating: 0)
                log.replay(on: team)
                #expect(bits(Array(c.buffer)) == bits(first))
            }
        }
    }
}

@Suite struct WorkerTeamTests {
    @Test(arguments: [1, 2, 5]) func everyTileRunsOnce(threads: Int) {
        let team = WorkerTeam(threads: threads)
        for tiles in [0, 1, 2, 7, 1000] {
            let counts = UnsafeMutableBufferPointer<Int>.allocate(capacity: tiles)
            defer { counts.deallocate() }
            counts.initialize(repeating: 0)
            team.forEach(tiles: tiles) { tile, worker in
                precondition(worker < threads)
                counts[tile] += 1
            }
            #expect(counts.allSatisfy { $0 == 1 })
        }
    }

    @Test func manyShortLoops() {
        let team = WorkerTeam(threads: 3)
        let sums = UnsafeMutableBufferPointer<Int>.allocate(capacity: 3)
        defer { sums.deallocate() }
        sums.initialize(repeating: 0)
        for _ in 0..<2000 { team.forEach(tiles: 3) { tile, _ in sums[tile] += 1 } }
        #expect(Array(sums) == [2000, 2000, 2000])
    }
}
