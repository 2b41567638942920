import Foundation
import TestSupport
import Testing

/// What happens when ranks, disks and numbers fail.
@Suite(.serialized)
struct FailureTests {
    /// Starts a long run on three ranks, does something to one of them, and waits for the end.
    private func run(
        _ sandbox: Sandbox, _ train: [String], _ signal: Int32, rank: Int
    ) async throws -> (outcome: ProcessRunner.Outcome, seconds: Double, processes: [pid_t]) {
        var processes: [pid_t] = []
        let clock = ContinuousClock()
        var start = clock.now
        let outcome = try await sandbox.neft(train + ["-o", "RUN", "--heartbeat-timeout", "5"], ranks: 3) { process in
            try await sandbox.waitForSteps(of: "RUN")
            processes = ProcessRunner.children(of: process)
            try #require(processes.count == 3)
            start = clock.now
            kill(processes[rank], signal)
        }
        return (outcome, (clock.now - start) / .seconds(1), processes)
    }

    /// A rank that hangs, and one that dies: the run ends soon, and no process is left.
    @Test(arguments: [(SIGSTOP, 1), (SIGSTOP, 0), (SIGKILL, 2)])
    func aLostRankEndsTheRun(signal: Int32, rank: Int) async throws {
        let (sandbox, train) = try ResumeTests.makeSandbox(steps: 1_000_000)
        let (outcome, seconds, processes) = try await run(sandbox, train, signal, rank: rank)
        #expect(!outcome.timedOut && seconds < 15, "\(seconds) s: \(outcome)")
        if signal == SIGSTOP {
            #expect(outcome.exitCode == 70, "\(outcome)")
            #expect(outcome.stderr.contains("no sign of life from rank \(rank) on "), "\(outcome)")
        } else {
            #expect(outcome.exitCode == 137, "\(outcome)")
        }
        try await sandbox.wait { !processes.contains(where: ProcessRunner.isAlive) }
        #expect(!processes.contains(where: ProcessRunner.isAlive))
        // The last checkpoint stands: what is there goes on.
        #expect(!sandbox.exists("RUN/final"))
    }

    /// A rank that is stopped for less than the timeout is no failure, and neither is a whole job that is.
    @Test(arguments: [false, true]) func aShortPauseIsNone(all: Bool) async throws {
        let (sandbox, train) = try ResumeTests.makeSandbox(steps: 60_000)
        let outcome = try await sandbox.neft(train + ["-o", "RUN", "--heartbeat-timeout", "3"], ranks: 2) { process in
            try await sandbox.waitForSteps(of: "RUN")
            let ranks = ProcessRunner.children(of: process)
            for rank in all ? ranks : Array(ranks.suffix(1)) { kill(rank, SIGSTOP) }
            try await Task.sleep(for: all ? .seconds(5) : .seconds(1.5))
            for rank in ranks { kill(rank, SIGCONT) }
            try await Task.sleep(for: .seconds(1))
            kill(try #require(ranks.last), SIGUSR1)
        }
        #expect(outcome.exitCode == 75, "\(outcome)")
        #expect(!outcome.stderr.contains("no sign of life"), "\(outcome)")
    }

    /// A disk without room for a checkpoint, here a limit on the size of files: the run says so, the checkpoint before
    /// stays whole, and with room the run ends as if nothing had been.
    @Test(arguments: [nil, 2]) func aFullDiskLeavesTheLastCheckpoint(ranks: Int?) async throws {
        let (sandbox, train) = try ResumeTests.makeSandbox()
        #expect(try await sandbox.neft(train + ["-o", "RUN", "--save-every", "4"]).exitCode == 0)
        let result = try sandbox.read("RUN/final/adapter.safetensors")
        try FileManager.default.removeItem(atPath: sandbox.path("RUN/final"))
        let going = train + ["-o", "RUN", "--resume", "auto", "--save-every", "1"]
        let neft = try ProductPath.executable("neft").path
        // Of 32 KiB, where adapter and moments take 60 and 120. Without the signal the write fails.
        let limited = try await sandbox.limited("ulimit -f 64; trap '' XFSZ; exec \"$@\"", [neft] + going, ranks: ranks)
        #expect(limited.exitCode == 1, "\(limited)")
        #expect(limited.stderr.components(separatedBy: "neft: error: ").count == 2, "\(limited)")
        #expect(limited.stderr.contains("RUN/checkpoint-000005: the checkpoint cannot be saved: "), "\(limited)")
        #expect(limited.stderr.contains("File too large"), "\(limited)")
        #expect(!sandbox.content.contains { $0.contains("checkpoint-000005") }, "\(sandbox.content)")
        let outcome = try await sandbox.neft(going, ranks: ranks)
        #expect(outcome.exitCode == 0, "\(outcome)")
        #expect(outcome.stderr.contains("going on after step 4 from RUN/checkpoint-000004"), "\(outcome)")
        #expect(try sandbox.read("RUN/final/adapter.safetensors") == result)
    }

    /// A run that diverges keeps the state before, and can be gone on with when more bad steps are allowed.
    @Test(arguments: [nil, 2]) func aBadStepLeavesTheStateBefore(ranks: Int?) async throws {
        let (sandbox, train) = try ResumeTests.makeSandbox()
        let diverging = train + ["-o", "RUN", "--learning-rate", "1e30", "--warmup", "0"]
        let outcome = try await sandbox.neft(diverging, ranks: ranks)
        #expect(outcome.exitCode == 2, "\(outcome)")
        #expect(outcome.stderr.contains("not finite"), "\(outcome)")
        #expect(outcome.stderr.contains("the state after step 1 is saved"), "\(outcome)")
        #expect(sandbox.exists("RUN/checkpoint-000001/manifest.json"))
        let more = try await sandbox.neft(diverging + ["--resume", "auto", "--max-bad-steps", "2"], ranks: ranks)
        #expect(more.exitCode == 2, "\(more)")
        #expect(more.stderr.contains("step 4: ") && more.stderr.contains("after 2 such steps"), "\(more)")
        #expect(more.stderr.contains("the state after step 3 is saved"), "\(more)")
    }
}
