import TestSupport
import Testing

/// Runs `parallel-checks` under `mpirun`: what holds on one host with more ranks than cores.
@Suite(.serialized) struct ParallelTests {
    @Test(
        arguments: [2, 3, 4, 8], ["collectives", "exchange", "agreement", "reduce", "share", "steps"])
    func holds(ranks: Int, check: String) async throws {
        let program = try ProductPath.executable("parallel-checks")
        let outcome = try await ProcessRunner.mpirun(ranks: ranks, program, [check])
        #expect(outcome.exitCode == 0, "\(outcome)")
        #expect(outcome.stdout.contains("\(check) holds on \(ranks) ranks"), "\(outcome)")
    }

    /// Ranks of one host taken for several: sums in shared memory first.
    @Test(arguments: [(4, 2), (8, 2), (8, 4), (6, 2)], ["collectives", "reduce", "share", "steps"])
    func holdsInGroups(ranks: (all: Int, perHost: Int), check: String) async throws {
        let program = try ProductPath.executable("parallel-checks")
        let outcome = try await ProcessRunner.mpirun(ranks: ranks.all, program, [check, "\(ranks.perHost)"])
        #expect(outcome.exitCode == 0, "\(outcome)")
    }

    @Test(arguments: ["large", "huge"]) func largeTransfersHold(check: String) async throws {
        let program = try ProductPath.executable("parallel-checks")
        let outcome = try await ProcessRunner.mpirun(ranks: 2, program, [check])
        #expect(outcome.exitCode == 0, "\(outcome)")
    }

    @Test(arguments: [2, 4]) func aRankThatAbortsEndsAll(ranks: Int) async throws {
        let program = try ProductPath.executable("parallel-checks")
        let outcome = try await ProcessRunner.mpirun(ranks: ranks, program, ["abort"], timeout: .seconds(30))
        #expect(outcome.exitCode == 42, "\(outcome)")
        #expect(outcome.stderr.contains("neft: rank 1 on "), "\(outcome)")
        #expect(outcome.seconds < 10, "\(outcome)")
    }

    @Test func anMPIErrorNamesTheRankAndEndsAll() async throws {
        let program = try ProductPath.executable("parallel-checks")
        let outcome = try await ProcessRunner.mpirun(ranks: 3, program, ["length-mismatch"], timeout: .seconds(30))
        #expect(outcome.exitCode == 1, "\(outcome)")
        #expect(outcome.stderr.contains("transfer from rank 0: MPI_ERR_TRUNCATE"), "\(outcome)")
        #expect(outcome.stderr.contains("neft: rank 1 on "), "\(outcome)")
        #expect(outcome.seconds < 10, "\(outcome)")
    }
}
