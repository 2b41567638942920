import Kernels
import TestSupport
import Testing

@Suite struct MatmulTests {
    static let sizes = [
        (1, 1, 1), (3, 5, 7), (17, 33, 65), (64, 160, 48), (130, 97, 64), (517, 800, 20), (40, 16_500, 8),
    ]

    @Test(arguments: [GEMMKind.nt, .nn, .tn], sizes)
    func matchesTheNaiveTwin(kind: GEMMKind, size: (Int, Int, Int)) {
        let (m, n, k) = size
        let (a, b, start) = (randomFloats(m * k, seed: 1), randomFloats(n * k, seed: 2), randomFloats(m * n, seed: 3))
        for accumulate in [false, true] {
            var (c, expected) = (start, start)
            WorkerTeam(threads: 2).gemm(kind, m: m, n: n, k: k, a, b, &c, accumulate: accumulate)
            gemmReference(kind, m: m, n: n, k: k, a, b, &expected, accumulate: accumulate)
            #expect(relativeError(c, expected) < 2e-6)
        }
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
