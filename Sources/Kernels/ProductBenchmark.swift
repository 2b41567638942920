import CKernels
import COpenBLAS

/// Times one matrix product by each kernel that computes it here: ours and OpenBLAS's, in turn, on the same operands.
public struct ProductBenchmark {
    /// `C [m, n]`, sums over `k`.
    public struct Shape: Sendable, Hashable {
        /// Which operand is transposed.
        public var kind: GEMMKind
        /// Rows and columns of `C`, and the values summed for each of its elements.
        public var m: Int, n: Int, k: Int

        /// A product `C [m, n]` of a kind.
        public init(_ kind: GEMMKind, m: Int, n: Int, k: Int) { (self.kind, self.m, self.n, self.k) = (kind, m, n, k) }

        var flops: Double { 2 * Double(m) * Double(n) * Double(k) }
    }

    /// One round's speeds, in floating-point operations per second.
    public struct Round: Sendable {
        /// The product in bfloat16, the left operand's rounding included; nil where not asked for, and for gradients
        /// of weights, which are never computed in it.
        public var bfloat16: Double?
        /// The product in fp32 as a step computes it.
        public var single: Double
        /// OpenBLAS's fp32 product, on as many threads.
        public var openBLAS: Double
    }

    private let team: WorkerTeam

    /// - Parameter team: OpenBLAS gets as many threads of its own.
    public init(team: WorkerTeam) { self.team = team }

    /// - Parameters:
    ///   - shape: of the product.
    ///   - bfloat16: whether to time the product in bfloat16 too; needs `CPU.hasBFloat16`.
    ///   - rounds: of all kernels in turn, after one that is not counted.
    ///   - seconds: how long each kernel runs in a round, at least.
    public func run(_ shape: Shape, bfloat16: Bool, rounds: Int, seconds: Double) -> [Round] {
        let (m, n, k) = (shape.m, shape.n, shape.k)
        let storages = [m * k, n * k, m * n].map { TensorStorage(count: $0) }
        for (seed, storage) in storages.prefix(2).enumerated() { fill(storage, seed: UInt64(seed + 1)) }
        defer { withExtendedLifetime(storages) {} }
        let (a, b, c) = (storages[0].pointer, storages[1].pointer, storages[2].pointer)
        let inBFloat16 = bfloat16 && shape.kind != .tn
        let half = TensorStorage(count: inBFloat16 ? (n * k + 1) / 2 : 0)
        let words = TensorStorage(count: inBFloat16 ? (PackedOperand.wordCount(m: m, k: k) + 1) / 2 : 0)
        if inBFloat16 { neft_bf16_from_floats(b, half.words, n * k) }
        let call = GEMMCall(
            usesPanels: false, kind: shape.kind, m: m, n: n, k: k, alpha: 1, a: a, lda: shape.kind == .tn ? m : k, b: b,
            ldb: shape.kind == .nt ? k : n, c: c, ldc: n, accumulate: false)

        var result: [Round] = []
        for round in 0...rounds {
            var times = Round(single: 0, openBLAS: 0)
            if inBFloat16 {
                times.bfloat16 = speed(shape, seconds) {
                    if shape.kind == .nt {
                        team.gemm(team.pack(a, m: m, k: k, into: words.words), half.words, n: n, c)
                    } else {
                        team.gemmRounding(a, m: m, k: k, half.words, n: n, c, words: words.words)
                    }
                }
            }
            times.single = speed(shape, seconds) { team.gemm(shape.kind, m: m, n: n, k: k, a, b, c) }
            openblas_set_num_threads(Int32(team.threads))
            times.openBLAS = speed(shape, seconds) { call.run(scratch: c) }
            openblas_set_num_threads(1)
            if round > 0 { result.append(times) }
        }
        return result
    }

    private func speed(_ shape: Shape, _ seconds: Double, _ body: () -> Void) -> Double {
        let (clock, start, limit) = (ContinuousClock(), ContinuousClock.now, Duration.seconds(seconds))
        var calls = 0.0
        repeat {
            body()
            calls += 1
        } while clock.now - start < limit
        return shape.flops * calls / ((clock.now - start) / .seconds(1))
    }

    private func fill(_ storage: TensorStorage, seed: UInt64) {
        var state = seed
        for i in 0..<storage.count {
            state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
            storage.pointer[i] = Float(Int32(truncatingIfNeeded: state >> 32)) * 0x1p-31
        }
    }
}

extension TensorStorage {
    fileprivate var words: UnsafeMutablePointer<BFloat16Bits> {
        UnsafeMutableRawPointer(pointer).assumingMemoryBound(to: BFloat16Bits.self)
    }
}
