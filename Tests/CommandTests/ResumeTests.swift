import Foundation
import TestSupport
import Testing

/// Runs that are interrupted and gone on with, on the tiny model. Its 80 % of trained neurons are more values than one
/// owner takes, so that several ranks own some.
@Suite(.serialized)
struct ResumeTests {
    /// A sandbox with data and the options of a run of so many steps.
    static func makeSandbox(
        steps: Int = 6, microBatch: Int = 2, family: String = "llama"
    ) throws -> (sandbox: Sandbox, train: [String]) {
        let sandbox = try Sandbox(family: family)
        let rows = (0..<14).map {
            #"{"prompt": "number \#($0)", "completion": "\#(String(repeating: "ab", count: 1 + $0 % 4))"}"#
        }
        try sandbox.write("train.jsonl", rows.joined(separator: "\n") + "\n")
        let train = [
            "train", "-m", "model", "-d", "train.jsonl", "--global-batch", "6", "--micro-batch", "\(microBatch)",
            "--top", "80%",
            "--epochs", "\((steps + 2) / 3)", "--max-steps", "\(steps)", "--threads", "1", "--json",
        ]
        return (sandbox, train)
    }

    private static let auto = ["--resume", "auto"]

    /// What stays the same however often the log was gone on with.
    private func log(_ sandbox: Sandbox, _ run: String) throws -> [[String]] {
        try String(decoding: sandbox.read("\(run)/metrics.jsonl"), as: UTF8.self).split(separator: "\n").map { line in
            let step = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            return ["step", "loss", "gradientNorm", "learningRate", "tokens"].map { "\(step[$0] ?? "-")" }
        }
    }

    /// Interrupted by a signal on one rank, gone on with on two, interrupted on another rank, ended on four: the bytes of
    /// the run that nobody disturbed.
    @Test(arguments: [[nil, 2, 4], [4, 2, nil]])
    func signalsAndOtherRanksLeaveTheSameBytes(ranks: [Int?]) async throws {
        let (sandbox, train) = try Self.makeSandbox(steps: 1_200)
        let whole = try await sandbox.neft(train + ["-o", "whole"])
        #expect(whole.exitCode == 0, "\(whole)")
        for (part, signal) in [(0, SIGUSR1), (1, SIGTERM)] {
            let outcome = try await sandbox.neft(
                train + ["-o", "RUN"] + Self.auto, ranks: ranks[part]
            ) { process in
                try await sandbox.waitForSteps(of: "RUN")
                // The last rank; mpirun's ranks are its children.
                let target = ranks[part] == nil ? process : ProcessRunner.children(of: process).last
                kill(try #require(target), signal)
            }
            let name = signal == SIGUSR1 ? "SIGUSR1" : "SIGTERM"
            #expect(outcome.exitCode == 75, "\(outcome)")
            #expect(outcome.stdout.isEmpty, "\(outcome)")
            let lines = outcome.stderr.split(separator: "\n").filter { $0.hasPrefix("neft: stopped") }
            #expect(
                lines.count == 1
                    && lines[0].hasPrefix("neft: stopped by \(name) to rank \((ranks[part] ?? 1) - 1) after step "),
                "\(outcome)")
            #expect(!sandbox.exists("RUN/final"))
        }
        let last = try await sandbox.neft(train + ["-o", "RUN"] + Self.auto, ranks: ranks[2])
        #expect(last.exitCode == 0, "\(last)")
        let document = try #require(
            try JSONSerialization.jsonObject(with: Data(last.stdout.utf8)) as? [String: Any], "\(last)")
        #expect(document["steps"] as? Int == 1_200)
        #expect(try sandbox.read("RUN/final/adapter.safetensors") == sandbox.read("whole/final/adapter.safetensors"))
        #expect(try log(sandbox, "RUN") == log(sandbox, "whole"))
        #expect(!sandbox.content.contains { $0.contains(".writing") || $0.contains(".tmp") })
    }

    /// Ctrl-C where there is no launcher, a signal to the launcher where there is one.
    @Test(arguments: [nil, 2])
    func theWholeJobCanBeAsked(ranks: Int?) async throws {
        let (sandbox, train) = try Self.makeSandbox(steps: 30_000)
        let outcome = try await sandbox.neft(train + ["-o", "RUN"], ranks: ranks) { process in
            try await sandbox.waitForSteps(of: "RUN")
            kill(process, ranks == nil ? SIGINT : SIGUSR1)
        }
        #expect(outcome.exitCode == 75, "\(outcome)")
        // The launcher signals all ranks; whose signal the next step sees first is not said.
        #expect(
            outcome.stderr.contains("neft: stopped by \(ranks == nil ? "SIGINT to rank 0" : "SIGUSR1 to rank ")"),
            "\(outcome)")
    }

    /// A run that is stopped while it still scores neurons has nothing to save, and leaves nothing.
    @Test func aStopBeforeTheFirstStepLeavesNothing() async throws {
        let (sandbox, train) = try Self.makeSandbox()
        let profiling = ["--profile-method", "weight-shift", "--profile-steps", "100000"]
        let outcome = try await sandbox.neft(train + profiling + ["-o", "RUN"], ranks: 2) { process in
            try await sandbox.wait { sandbox.exists("RUN/manifest.json") }
            kill(try #require(ProcessRunner.children(of: process).last), SIGTERM)
        }
        #expect(outcome.exitCode == 75, "\(outcome)")
        #expect(outcome.stderr.contains("before the first step; nothing is saved"), "\(outcome)")
        #expect(!sandbox.exists("RUN"))
    }

    /// A run of full fine-tuning, taken up from a checkpoint into another folder; it repeats the end of its own log.
    @Test func goesOnElsewhere() async throws {
        var (sandbox, train) = try Self.makeSandbox()
        train.removeAll { ["--top", "80%"].contains($0) }
        train += ["--method", "full", "--save-every", "2", "--keep", "5"]
        #expect(try await sandbox.neft(train + ["-o", "whole"]).exitCode == 0)
        #expect(sandbox.content.contains("whole/checkpoint-000002/weights.safetensors"))
        let other = try await sandbox.neft(
            train + ["-o", "other", "--resume", "whole/checkpoint-000002"], ranks: 2)
        #expect(other.exitCode == 0, "\(other)")
        #expect(try sandbox.read("other/final/model.safetensors") == sandbox.read("whole/final/model.safetensors"))
        #expect(try log(sandbox, "other") == Array(log(sandbox, "whole").dropFirst(2)))
        // In its own folder, from before its end: everything is there once, and the result again.
        let before = try log(sandbox, "whole")
        let again = try await sandbox.neft(train + ["-o", "whole", "--resume", "whole/checkpoint-000002"])
        #expect(again.exitCode == 0, "\(again)")
        #expect(try log(sandbox, "whole") == before)
        #expect(try sandbox.read("other/final/model.safetensors") == sandbox.read("whole/final/model.safetensors"))
        #expect(
            sandbox.content.filter { $0.hasPrefix("whole/checkpoint-") && !$0.dropFirst(6).contains("/") }.count == 2)
    }

    /// The newest checkpoint is damaged: the one before is taken, and the result is the same.
    @Test func aDamagedCheckpointIsNamedAndLeftAside() async throws {
        let (sandbox, train) = try Self.makeSandbox()
        let saving = train + ["-o", "RUN", "--save-every", "2"]
        #expect(try await sandbox.neft(saving).exitCode == 0)
        let result = try sandbox.read("RUN/final/adapter.safetensors")
        try FileManager.default.removeItem(atPath: sandbox.path("RUN/final"))
        try Data(sandbox.read("RUN/checkpoint-000004/moments.safetensors").dropLast(4))
            .write(to: sandbox.folder.appendingPathComponent("RUN/checkpoint-000004/moments.safetensors"))
        // What a killed process may leave.
        try FileManager.default.createDirectory(
            atPath: sandbox.path("RUN/checkpoint-000005.writing-1"), withIntermediateDirectories: false)
        let outcome = try await sandbox.neft(saving + Self.auto, ranks: 2)
        #expect(outcome.exitCode == 0, "\(outcome)")
        #expect(
            outcome.stderr.contains("warning: RUN/checkpoint-000004: left aside: moments.safetensors has "),
            "\(outcome)")
        #expect(outcome.stderr.contains("going on after step 2 from RUN/checkpoint-000002"), "\(outcome)")
        #expect(try sandbox.read("RUN/final/adapter.safetensors") == result)
        #expect(!sandbox.content.contains { $0.contains(".writing") })
        // By name it is refused.
        try sandbox.write("RUN/checkpoint-000004/state.json", "{}")
        let named = try await sandbox.neft(saving + ["--resume", "RUN/checkpoint-000004"])
        #expect(named.exitCode == 2 && named.stderr.contains("RUN/checkpoint-000004: state.json has"), "\(named)")
    }

    /// Without a checkpoint `auto` begins anew, once more if need be; a checkpoint is an adapter, too.
    @Test func autoBeginsWhereThereIsNothing() async throws {
        let (sandbox, train) = try Self.makeSandbox()
        let first = try await sandbox.neft(train + ["-o", "RUN"] + Self.auto)
        #expect(first.exitCode == 0, "\(first)")
        let refused = try await sandbox.neft(train + ["-o", "RUN"] + Self.auto)
        #expect(
            refused.exitCode == 2 && refused.stderr.contains("RUN: a finished run without checkpoints"), "\(refused)")
        let result = try sandbox.read("RUN/final/adapter.safetensors")
        try FileManager.default.removeItem(atPath: sandbox.path("RUN/final"))
        let again = try await sandbox.neft(train + ["-o", "RUN", "--save-every", "4"] + Self.auto)
        #expect(again.exitCode == 0, "\(again)")
        #expect(again.stderr.contains("no whole checkpoint in RUN"), "\(again)")
        #expect(try sandbox.read("RUN/final/adapter.safetensors") == result)
        #expect(try log(sandbox, "RUN").count == 6)
        let evaluate = ["evaluate", "-m", "model", "-d", "train.jsonl", "--metrics", "perplexity"]
        let adapter = try await sandbox.neft(evaluate + ["--adapter", "RUN/checkpoint-000004"])
        #expect(adapter.exitCode == 0, "\(adapter)")
    }

    /// What would lead to another result is refused by name; what would not is allowed.
    @Test func refusesAnotherRun() async throws {
        let (sandbox, train) = try Self.makeSandbox()
        #expect(try await sandbox.neft(train + ["-o", "RUN", "--save-every", "4"]).exitCode == 0)
        try sandbox.makeModel("other", seed: 2)
        try sandbox.write(
            "more.jsonl",
            String(decoding: try sandbox.read("train.jsonl"), as: UTF8.self)
                + "{\"prompt\": \"a\", \"completion\": \"b\"}\n")
        let before = sandbox.content
        for (change, says) in [
            (["--learning-rate", "2e-3"], "--learning-rate 0.002; expected --learning-rate 0.003"),
            (["--seed", "2"], "--seed 2"), (["--epochs", "3"], "--epochs 3"), (["--max-steps", "5"], "--max-steps 5"),
            (["--global-batch", "4"], "--global-batch 4"), (["--micro-batch", "3"], "--micro-batch 3"),
            (["--top", "70%"], "--top 70%"), (["--schedule", "cosine"], "--schedule cosine"),
            (["--warmup", "2"], "--warmup"), (["--max-grad-norm", "2"], "--max-grad-norm 2.0"),
            (["--weight-decay", "0.1"], "--weight-decay 0.1"), (["--limit", "13"], "--limit 13"),
            (["--chat-template", "none"], "--chat-template none"), (["-m", "other"], "--model with base hash"),
            (["-d", "more.jsonl"], "--data with SHA-256"),
        ] {
            let outcome = try await sandbox.neft(train + ["-o", "RUN"] + Self.auto + change)
            #expect(outcome.exitCode == 2, "\(change): \(outcome)")
            #expect(outcome.stderr.contains("RUN/checkpoint-000004: another run: "), "\(change): \(outcome)")
            #expect(outcome.stderr.contains(says), "\(change): \(outcome)")
        }
        let full = ["train", "-m", "model", "-d", "train.jsonl", "--method", "full", "-o", "RUN"] + Self.auto
        let method = try await sandbox.neft(full, ranks: 2)
        #expect(method.exitCode == 2 && method.stderr.contains("--method full"), "\(method)")
        #expect(method.stderr.components(separatedBy: "neft: error: ").count == 2, "\(method)")
        // Without --resume the folder is in the way, as ever.
        let plain = try await sandbox.neft(train + ["-o", "RUN"])
        #expect(plain.exitCode == 2 && plain.stderr.contains("not empty"), "\(plain)")
        #expect(sandbox.content == before)

        let allowed = [
            "--threads", "2", "--wire", "raw", "--exchange", "allreduce", "--save-every", "0", "--keep", "1",
            "--max-bad-steps", "3", "--heartbeat-timeout", "0",
        ]
        let outcome = try await sandbox.neft(train + ["-o", "RUN"] + Self.auto + allowed, ranks: 2)
        #expect(outcome.exitCode == 0, "\(outcome)")
        // The same neurons by their file.
        let withFile = train.filter { !["--top", "80%"].contains($0) }
        let named = try await sandbox.neft(
            withFile + ["-o", "B", "--neurons", "RUN/neurons.safetensors", "--resume", "RUN/checkpoint-000004"])
        #expect(named.exitCode == 0, "\(named)")
        #expect(try sandbox.read("B/final/adapter.safetensors") == sandbox.read("RUN/final/adapter.safetensors"))
    }
}
