import CKernels
import COpenBLAS

/// The threads of one rank: runs loops whose tiles are independent, so that results never depend on `threads`.
///
/// OpenBLAS itself is set to one thread; matrices are cut into tiles by their shape only (see `gemm`). One caller at
/// a time.
public final class WorkerTeam: @unchecked Sendable {
    /// Number of workers, the caller included.
    public let threads: Int
    private let team: OpaquePointer
    /// When set, every GEMM is noted here, so that a benchmark can replay exactly the GEMMs of a step.
    public var gemmLog: GEMMLog?
    /// Where the phases of steps are noted.
    public let timeline = Timeline()
    /// Whether products are computed by our own kernel, or all by OpenBLAS: by what the CPU has, unless set.
    let hasPanelKernel: Bool
    private let gemmScratch: TensorStorage
    private let bfloat16Scratch: TensorStorage

    /// - Parameters:
    ///   - threads: at least 1.
    ///   - usesPanelKernel: `false` leaves all products to OpenBLAS, as on CPUs without AVX-512.
    public init(threads: Int, usesPanelKernel: Bool = true) {
        precondition(threads >= 1, "WorkerTeam: \(threads) threads")
        guard let team = neft_team_create(Int32(threads)) else {
            fatalError("the system refused \(threads) threads; check the process limit (ulimit -u)")
        }
        self.threads = threads
        self.team = team
        hasPanelKernel = usesPanelKernel && CPU.hasPanelKernel
        gemmScratch = TensorStorage(count: hasPanelKernel ? threads * neft_sgemm_scratch_count() : 0)
        bfloat16Scratch = TensorStorage(count: CPU.hasBFloat16 ? threads * neft_bf16_gemm_scratch_count() / 2 : 0)
        openblas_set_num_threads(1)
    }

    deinit { neft_team_destroy(team) }

    @inline(__always)
    func gemmScratch(worker: Int) -> UnsafeMutablePointer<Float> {
        gemmScratch.pointer + (hasPanelKernel ? worker * neft_sgemm_scratch_count() : 0)
    }

    @inline(__always)
    func bfloat16Scratch(worker: Int) -> UnsafeMutablePointer<BFloat16Bits> {
        UnsafeMutableRawPointer(bfloat16Scratch.pointer + worker * (neft_bf16_gemm_scratch_count() / 2))
            .assumingMemoryBound(to: BFloat16Bits.self)
    }

    /// Runs `body(tile, worker)` once for each tile in `0 ..< tiles`; returns when all are done. `worker` is in
    /// `0 ..< threads` and indexes scratch memory: no two tiles use the same worker at once.
    public func forEach(tiles: Int, _ body: (_ tile: Int, _ worker: Int) -> Void) {
        if threads == 1 || tiles <= 1 {
            for tile in 0..<max(tiles, 0) { body(tile, 0) }
            return
        }
        withoutActuallyEscaping(body) { escapable in
            var context = escapable
            withUnsafeMutablePointer(to: &context) { pointer in
                neft_team_run(
                    team, tiles,
                    { context, tile, worker in
                        context!.assumingMemoryBound(to: ((Int, Int) -> Void).self).pointee(tile, Int(worker))
                    }, pointer)
            }
        }
    }

    /// Runs `body(range, worker)` over `0 ..< rows` in blocks of `block` rows.
    public func forEachBlock(of rows: Int, block: Int = 32, _ body: (_ rows: Range<Int>, _ worker: Int) -> Void) {
        forEach(tiles: (rows + block - 1) / block) { tile, worker in
            body(tile * block..<min(rows, (tile + 1) * block), worker)
        }
    }
}
