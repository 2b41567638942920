import Foundation
import TestSupport
import Testing

/// Validation during `neft train`, on the tiny model.
@Suite(.serialized)
struct ValidationCommandTests {
    private static func makeSandbox() throws -> Sandbox {
        let sandbox = try Sandbox()
        try FileManager.default.createDirectory(atPath: sandbox.path("data"), withIntermediateDirectories: true)
        func rows(_ range: Range<Int>, _ letters: String) -> String {
            range.map {
                let completion = String(repeating: letters, count: 1 + $0 % 4)
                return #"{"prompt": "number \#($0)", "completion": "\#(completion)"}"# + "\n"
            }.joined()
        }
        try sandbox.write("data/train.jsonl", rows(0..<14, "ab"))
        // What is learned from the training rows makes these worse, sooner or later.
        try sandbox.write("data/validation.jsonl", rows(20..<26, "ba"))
        return sandbox
    }

    private static let train = [
        "train", "-m", "model", "-d", "data", "--global-batch", "6", "--micro-batch", "2", "--top", "80%",
        "--profile-method", "random", "--threads", "1", "--json",
    ]

    private func json(_ outcome: ProcessRunner.Outcome) throws -> [String: Any] {
        try #require(outcome.exitCode == 0, "\(outcome)")
        return try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.stdout.utf8)) as? [String: Any], "\(outcome)")
    }

    /// Step and loss of each measurement in the log.
    private func measurements(_ sandbox: Sandbox, _ run: String) throws -> [(step: Int, loss: Double)] {
        try String(decoding: sandbox.read("\(run)/metrics.jsonl"), as: UTF8.self).split(separator: "\n").compactMap {
            let line = try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any]
            guard let loss = line?["validationLoss"] as? Double, let step = line?["step"] as? Int else { return nil }
            return (step, loss)
        }
    }

    /// A folder is trained on `train` and measured on `valid` after each epoch, with the figure of `neft evaluate`.
    @Test func aFolderIsValidatedByDefault() async throws {
        let sandbox = try Self.makeSandbox()
        let outcome = try await sandbox.neft(Self.train + ["--epochs", "2", "-o", "RUN"])
        let document = try json(outcome)
        #expect(outcome.stderr.contains("data/validation.jsonl: 6 rows, recognised as prompt–completion"), "\(outcome)")
        let measured = try measurements(sandbox, "RUN")
        #expect(measured.map(\.step) == [3, 6])
        #expect(document["validationLoss"] as? Double == measured.last?.loss)
        #expect(document["bestValidationLoss"] as? Double == measured.map(\.loss).min())
        #expect(document["stoppedEarly"] as? Bool == false)
        let evaluated = try json(
            try await sandbox.neft([
                "evaluate", "-m", "model", "-d", "data/validation.jsonl", "--adapter", "RUN/final", "--metrics",
                "perplexity", "--json",
            ]))
        #expect(abs(try #require(evaluated["loss"] as? Double) - measured[1].loss) < 1e-6)
        // The log with its two kinds of lines is read by reports.
        #expect(try await sandbox.neft(["report", "RUN", "-o", "r.html"]).exitCode == 0)
        let page = String(decoding: try sandbox.read("r.html"), as: UTF8.self)
        #expect(page.contains("step 3: validation loss") && page.contains("step 6: validation loss"))
        let silent = try json(try await sandbox.neft(Self.train + ["--eval-every", "0", "-o", "SILENT"]))
        #expect(silent["validationLoss"] == nil)
    }

    /// On any number of ranks, stopped early or interrupted: the best rows, by their bytes.
    @Test func theBestIsKept() async throws {
        let sandbox = try Self.makeSandbox()
        let options =
            Self.train + ["--epochs", "20", "--learning-rate", "2e-2", "--eval-every", "2", "--early-stopping", "3"]
        let document = try json(try await sandbox.neft(options + ["--keep-best", "-o", "RUN", "--save-every", "4"]))
        let measured = try measurements(sandbox, "RUN")
        let best = try #require(measured.min { $0.loss < $1.loss })
        #expect(document["stoppedEarly"] as? Bool == true && document["steps"] as? Int == best.step + 6)
        #expect(document["bestStep"] as? Int == best.step)
        #expect(!sandbox.exists("RUN/best.safetensors"))
        let evaluated = try json(
            try await sandbox.neft([
                "evaluate", "-m", "model", "-d", "data/validation.jsonl", "--adapter", "RUN/final", "--metrics",
                "perplexity", "--json",
            ]))
        #expect(abs(try #require(evaluated["loss"] as? Double) - best.loss) < 1e-6)

        let final = try sandbox.read("RUN/final/adapter.safetensors")
        _ = try json(try await sandbox.neft(options + ["--keep-best", "-o", "TWO", "--save-every", "0"], ranks: 2))
        #expect(try sandbox.read("TWO/final/adapter.safetensors") == final)
        let last = try json(try await sandbox.neft(options + ["-o", "LAST"]))
        #expect(last["steps"] as? Int == best.step + 6)
        #expect(try sandbox.read("LAST/final/adapter.safetensors") != final)
        #expect(try measurements(sandbox, "LAST").map(\.loss) == measured.map(\.loss))

        // From its last checkpoint, in another folder and on two ranks: the best comes along.
        let checkpoint = try #require(
            sandbox.content.filter { $0.hasPrefix("RUN/checkpoint-") && !$0.dropFirst(4).contains("/") }.last)
        let resumed = try await sandbox.neft(
            options + ["--keep-best", "-o", "OTHER", "--resume", checkpoint], ranks: 2)
        #expect(try json(resumed)["bestStep"] as? Int == best.step)
        #expect(try sandbox.read("OTHER/final/adapter.safetensors") == final)
        // What the measurements decide is part of a run.
        let changed = try await sandbox.neft(options + ["-o", "THIRD", "--resume", checkpoint])
        #expect(changed.exitCode == 2 && changed.stderr.contains("--keep-best"), "\(changed)")
    }

    @Test(arguments: ["full", "lora"]) func otherMethodsKeepTheBest(method: String) async throws {
        let sandbox = try Self.makeSandbox()
        let options = [
            "train", "-m", "model", "-d", "data/train.jsonl", "--eval-data", "data/validation.jsonl", "--global-batch",
            "6", "--micro-batch", "2", "--threads", "1", "--json", "--method", method, "--epochs", "12",
            "--learning-rate", "1e-2", "--eval-every", "3", "--early-stopping", "2", "--keep-best",
        ]
        let document = try json(try await sandbox.neft(options + ["-o", "RUN"]))
        let best = try #require(document["bestValidationLoss"] as? Double)
        let evaluated = try json(
            try await sandbox.neft([
                "evaluate", "-m", "model", "-d", "data/validation.jsonl", "--adapter", "RUN/final", "--metrics",
                "perplexity", "--json",
            ]))
        #expect(abs(try #require(evaluated["loss"] as? Double) - best) < 1e-5)
    }
}
