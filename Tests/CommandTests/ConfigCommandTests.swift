import Foundation
import TestSupport
import Testing

@testable import neft

/// `neft config`: what a command would run with, and where that comes from.
struct ConfigCommandTests {
    /// Options that each command needs.
    private static let commands = [
        ["preview", "-m", "model", "-d", "rows.jsonl", "--field", "prompt=q,completion=a", "--batches", "2"],
        ["profile", "-m", "model", "-d", "rows.jsonl", "-o", "p", "--profile-method", "weight-shift"],
        ["select", "--scores", "p", "-o", "n", "--layers", "0-1", "--projections", "gate,up"],
        [
            "train", "-m", "model", "-d", "rows.jsonl", "-o", "RUN", "--resume", "auto", "--warmup", "7",
            "--tensorboard",
        ],
        ["train", "-m", "model", "-d", "rows.jsonl", "-o", "RUN", "--method", "lora", "--match", "0.06"],
        ["evaluate", "-m", "model", "-d", "rows.jsonl", "--metrics", "rouge,exact-match"],
        ["generate", "-m", "model", "--prompt=- \"two\"\nlines # 3"],
        ["dynamics", "--before", "a", "--after", "b"],
        ["sparsity", "-m", "model", "-d", "rows.jsonl", "--against", "bleu"],
        ["plan", "-m", "model", "--ranks", "1,16", "--link", "12.5Mbit"],
        ["doctor"], ["bench", "kernels", "-m", "model"], ["bench", "step", "-m", "model"],
        ["bench", "generation", "-m", "model"], ["bench", "record", "-m", "model", "-d", "rows.jsonl", "-o", "r"],
        ["bench", "exchange", "--recording", "r"],
    ]

    private func options(_ sandbox: Sandbox, _ arguments: [String]) async throws -> [String: [String: Any]] {
        let outcome = try await sandbox.neft(["config"] + arguments + ["--json"])
        #expect(outcome.exitCode == 0, "\(outcome)")
        let document = try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.stdout.utf8)) as? [String: Any], "\(outcome)")
        return try #require(document["options"] as? [String: [String: Any]])
    }

    private func values(_ options: [String: [String: Any]]) -> [String: String] {
        options.compactMapValues { $0["value"] as? String }
    }

    /// The printed file, given to the same command, leads to the same values, of which each has a line of it as source.
    @Test(arguments: commands)
    func isAConfigurationFile(command: [String]) async throws {
        let sandbox = try Sandbox()
        let first = try await sandbox.neft(["config"] + command)
        #expect(first.exitCode == 0 && first.stderr.isEmpty, "\(first)")
        try sandbox.write("c.yaml", first.stdout)
        let before = try await options(sandbox, command)
        let names = Array(command.prefix(command[0] == "bench" ? 2 : 1))
        let after = try await options(sandbox, names + ["--config", "c.yaml"])
        #expect(values(after) == values(before), "\(first.stdout)")
        #expect(!values(before).isEmpty)
        let lines = first.stdout.split(separator: "\n", omittingEmptySubsequences: false)
        for (name, option) in after where option["value"] is String {
            let line = try #require(option["line"] as? Int, "\(name): \(option)")
            #expect(lines[line - 1].hasPrefix("\(name): "))
            #expect(option["source"] as? String == "file" && option["file"] as? String == "c.yaml")
        }
        // What has no value is there as a comment.
        for (name, option) in before where option["value"] is NSNull {
            #expect(lines.contains { $0.hasPrefix("# \(name): ") && $0.hasSuffix(" not given") }, "\(name)")
        }
    }

    @Test func saysWhereValuesComeFrom() async throws {
        let sandbox = try Sandbox()
        try sandbox.write(
            "recipe.yaml",
            "# a recipe\nmodel: model\n\ntop: 3%\nskip-bad-rows: false\nrecompute: true\nfield: prompt=q\nepochs: 2\n")
        let train = [
            "train", "--config", "recipe.yaml", "-d", "rows.jsonl", "-o", "RUN", "--field=completion=a", "--epochs=3",
        ]
        let outcome = try await sandbox.neft(["config"] + train)
        #expect(outcome.exitCode == 0, "\(outcome)")
        let lines = outcome.stdout.split(separator: "\n").map { line in
            line.split(separator: " ").joined(separator: " ")
        }
        for line in [
            "model: model # recipe.yaml:2", "top: 3% # recipe.yaml:4", "skip-bad-rows: false # recipe.yaml:5",
            "recompute: true # recipe.yaml:6", "data: rows.jsonl # command line", "output: RUN # command line",
            "field: \"prompt=q,completion=a\" # recipe.yaml:7 and command line", "epochs: 3 # command line",
            "learning-rate: 0.003 # default", "profile-method: gradient # default", "profile-steps: 16 # default",
            "seed: 1 # default", "# limit: not given", "quiet: false # default",
            "cache: \(sandbox.path(".cache"))/neft # $XDG_CACHE_HOME",
        ] {
            #expect(lines.contains(line), "\(line):\n\(outcome.stdout)")
        }
        #expect(!outcome.stdout.contains("config:") && !outcome.stdout.contains("json:"))
        let document = try await options(sandbox, train)
        #expect(document["top"]?["source"] as? String == "file" && document["top"]?["line"] as? Int == 4)
        #expect(document["data"]?["source"] as? String == "commandLine")
        #expect(document["seed"]?["source"] as? String == "default")
        #expect(document["cache"]?["variable"] as? String == "XDG_CACHE_HOME")
        #expect(document["limit"]?["value"] is NSNull)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: sandbox.folder.path).sorted() == [
                "model", "recipe.yaml",
            ])
    }

    /// Refused as the command itself would refuse.
    @Test func refusals() async throws {
        let sandbox = try Sandbox()
        try sandbox.write("wrong.yaml", "# one\nlearning_rate: 1e-3\n")
        try sandbox.write("value.yaml", "\nepochs: many\n")
        let train = ["train", "-m", "model", "-d", "rows.jsonl", "-o", "RUN"]
        for (arguments, says) in [
            (train + ["--config", "wrong.yaml"], "wrong.yaml:2: unknown option \"learning_rate\""),
            (train + ["--config", "wrong.yaml"], "did you mean \"learning-rate\"?"),
            (train + ["--config", "value.yaml"], "value.yaml:2: The value 'many' is invalid"),
            (train + ["--epoch", "3"], "Unknown option '--epoch'"), (["train"], "Missing expected argument '--model"),
            (train + ["--neurons", "n", "--top", "3%"], "--top and --neurons exclude each other"),
            (["trian"], "trian"), ([], "Missing expected argument"), (["bench"], "expected a command with options"),
            (["config", "train"], "expected a command with options"),
            (["--config", "value.yaml"] + train, "behind it"),
        ] {
            let outcome = try await sandbox.neft(["config"] + arguments)
            #expect(outcome.exitCode == 2 && outcome.stdout.isEmpty, "\(arguments): \(outcome)")
            #expect(outcome.stderr.contains(says), "\(arguments): \(outcome)")
        }
        let help = try await sandbox.neft(["config", "train", "--help"])
        #expect(help.exitCode == 0 && help.stdout.contains("--global-batch"), "\(help)")
    }
}
