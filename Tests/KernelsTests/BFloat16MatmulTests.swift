import CKernels
import Kernels
import TestSupport
import Testing

@Suite(.enabled(if: CPU.hasBFloat16)) struct BFloat16MatmulTests {
    static let sizes = [
        (1, 1, 1), (1, 40, 70), (2, 1, 1), (3, 5, 7), (7, 50, 33), (17, 33, 65), (23, 100, 577), (24, 9, 64),
        (64, 160, 48), (130, 97, 64), (29, 49, 577),
        (1030, 70, 2100),
        (33, 300, 1025), (9, 289, 2), (200, 16, 31),
    ]

    /// Values rounded to bfloat16, and their words.
    static func rounded(_ values: [Float]) -> (values: [Float], words: [UInt16]) {
        var words = [UInt16](repeating: 0, count: values.count)
        var back = values
        neft_bf16_from_floats(values, &words, values.count)
        neft_bf16_to_floats(words, &back, values.count)
        return (back, words)
    }

    static func product(
        _ kind: GEMMKind, m: Int, n: Int, k: Int, _ a: [Float], _ b: [UInt16], _ c: inout [Float], threads: Int = 2,
        accumulate: Bool = false
    ) {
        let team = WorkerTeam(threads: threads)
        var words = [UInt16](
            repeating: 0xffff,
            count: kind == .nt ? PackedOperand.wordCount(m: m, k: k) : PackedOperand.partWordCount(m: m, k: k))
        words.withUnsafeMutableBufferPointer { words in
            let words = words.baseAddress!
            if kind == .nt {
                team.gemm(team.pack(a, m: m, k: k, into: words), b, n: n, &c, accumulate: accumulate)
            } else {
                team.gemmRounding(a, m: m, k: k, b, n: n, &c, accumulate: accumulate, words: words)
            }
        }
    }

    /// Against the naive product of the rounded operands: what is left is the order of fp32 sums.
    @Test(arguments: [GEMMKind.nt, .nn], sizes)
    func matchesTheNaiveTwin(kind: GEMMKind, size: (Int, Int, Int)) {
        let (m, n, k) = size
        let (a, b, start) = (randomFloats(m * k, seed: 1), randomFloats(n * k, seed: 2), randomFloats(m * n, seed: 3))
        let (left, right) = (Self.rounded(a), Self.rounded(b))
        for accumulate in [false, true] {
            var (c, expected) = (start, start)
            Self.product(kind, m: m, n: n, k: k, a, right.words, &c, accumulate: accumulate)
            gemmReference(kind, m: m, n: n, k: k, left.values, right.values, &expected, accumulate: accumulate)
            #expect(relativeError(c, expected) < 2e-6)
        }
    }

    @Test func oneRow() {
        for (n, k) in [(1, 1), (5, 33), (7, 64), (100, 577)] {
            let (x, b, start) = (randomFloats(k, seed: 4), randomFloats(n * k, seed: 5), randomFloats(n, seed: 6))
            let (left, right) = (Self.rounded(x), Self.rounded(b))
            for accumulate in [false, true] {
                var (y, expected) = (start, start)
                Self.product(.nt, m: 1, n: n, k: k, x, right.words, &y, accumulate: accumulate)
                gemmReference(.nt, m: 1, n: n, k: k, left.values, right.values, &expected, accumulate: accumulate)
                #expect(relativeError(y, expected) < 2e-6)
            }
        }
    }

    @Test(arguments: [GEMMKind.nt, .nn])
    func bitsDoNotDependOnThreads(kind: GEMMKind) {
        for (m, n, k) in [(517, 1536, 576), (320, 70, 1536), (33, 2000, 64)] {
            let (a, b) = (randomFloats(m * k, seed: 7), Self.rounded(randomFloats(n * k, seed: 8)).words)
            let results = [1, 2, 3, 8].map { threads in
                var c = [Float](repeating: .nan, count: m * n)
                Self.product(kind, m: m, n: n, k: k, a, b, &c, threads: threads)
                return bits(c)
            }
            for other in results.dropFirst() { #expect(results[0] == other) }
        }
    }

    /// Rounding to nearest, ties to even; infinities and NaN stay what they are.
    @Test func rounding() {
        let values: [Float] = [
            1, 1.00390625, 1.01171875, -1.0039064, 3.4e38, .infinity, -.infinity, 0, -0.0, 65_504, 1e-38,
        ]
        let words = Self.rounded(values).words
        let expected: [UInt16] = [
            0x3F80, 0x3F80, 0x3F82, 0xBF81, 0x7F80, 0x7F80, 0xFF80, 0, 0x8000, 0x4780, 0x006D,
        ]
        #expect(words == expected)
        #expect(Self.rounded([.nan]).values[0].isNaN)
    }

    @Test func theLogReplaysEveryCall() {
        let (m, n, k) = (96, 200, 40)
        let (a, b) = (randomFloats(m * k, seed: 9), Self.rounded(randomFloats(n * k, seed: 10)).words)
        let team = WorkerTeam(threads: 2)
        let (log, c) = (GEMMLog(threads: 2), TensorStorage(count: m * n))
        var words = [UInt16](repeating: 0, count: PackedOperand.wordCount(m: m, k: k))
        words.withUnsafeMutableBufferPointer { words in
            b.withUnsafeBufferPointer { b in
                let operand = team.pack(a, m: m, k: k, into: words.baseAddress!)
                team.gemmLog = log
                team.gemm(operand, b.baseAddress!, n: n, c.pointer)
                team.gemmLog = nil
                let first = Array(c.buffer)
                c.buffer.update(repeating: 0)
                log.replay(on: team)
                #expect(log.flops == Double(2 * m * n * k))
                #expect(bits(Array(c.buffer)) == bits(first))
            }
        }
    }
}
