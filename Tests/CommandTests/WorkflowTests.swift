import Checkpoints
import Foundation
import Kernels
import Models
import Neurons
import TestSupport
import Testing

/// The road from data to a tuned model, command by command, on the tiny model.
@Suite(.serialized)
struct WorkflowTests {
    /// Fourteen rows: an odd number of micro-batches in the last step.
    private static func makeSandbox() throws -> Sandbox {
        let sandbox = try Sandbox()
        let rows = (0..<14).map {
            #"{"prompt": "number \#($0)", "completion": "\#(String(repeating: "ab", count: 1 + $0 % 4))"}"#
        }
        try sandbox.write("train.jsonl", rows.joined(separator: "\n") + "\n")
        return sandbox
    }

    private static let train = [
        "train", "-m", "model", "-d", "train.jsonl", "--global-batch", "6", "--micro-batch", "2", "--epochs", "2",
        "--top", "10%", "--threads", "1",
    ]

    /// Runs `neft` with `--json` and reads the one document that standard output must be.
    private func json(
        _ sandbox: Sandbox, _ arguments: [String], ranks: Int? = nil
    ) async throws -> [String: Any] {
        let outcome = try await sandbox.neft(arguments + ["--json"], ranks: ranks)
        try #require(outcome.exitCode == 0, "\(outcome)")
        #expect(!outcome.stderr.contains("error"), "\(outcome)")
        return try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.stdout.utf8)) as? [String: Any], "\(outcome)")
    }

    /// Processes of several jobs at once convert the model into one file; where it cannot be written, they say so.
    @Test(.enabled(if: CPU.hasBFloat16)) func convertedWeightsAreShared() async throws {
        let sandbox = try Self.makeSandbox()
        let command = [
            try ProductPath.executable("neft").path, "evaluate", "-m", "model", "-d", "train.jsonl", "--metrics",
            "perplexity", "--compute", "bf16", "--threads", "1",
        ]
        let outcome = try await sandbox.limited(
            "\"$@\" & first=$!; \"$@\" & second=$!; \"$@\" && wait $first && wait $second", command)
        #expect(outcome.exitCode == 0 && !outcome.stderr.contains("warning"), "\(outcome)")
        let kept = try FileManager.default.contentsOfDirectory(atPath: sandbox.path(".cache/neft"))
            .filter { $0.contains("weights-") }
        #expect(kept.count == 1 && kept[0].hasSuffix("-bf16.safetensors"), "\(kept)")
        // What a killed process has left of the file is removed by the next that writes it, once it is old.
        let file = sandbox.path(".cache/neft/\(kept[0])")
        for (aside, age) in [("a-1", 7200.0), ("b-1", 60)] {
            try Data("x".utf8).write(to: URL(fileURLWithPath: "\(file).writing-\(aside)"))
            try FileManager.default.setAttributes(
                [.modificationDate: Date(timeIntervalSinceNow: -age)], ofItemAtPath: "\(file).writing-\(aside)")
        }
        try FileManager.default.removeItem(atPath: file)
        #expect(try await sandbox.neft(Array(command.dropFirst())).exitCode == 0)
        let left = try FileManager.default.contentsOfDirectory(atPath: sandbox.path(".cache/neft"))
        #expect(left.filter { $0.contains("weights-") }.sorted() == [kept[0], kept[0] + ".writing-b-1"])

        // Every host says once where its ranks cannot share.
        for (ranksOfHost, warnings) in [(2, 1), (1, 2)] {
            let alone = try await sandbox.neft(
                Array(command.dropFirst()) + ["--cache", "model/config.json/x"], ranks: 2,
                variables: ["NEFT_RANKS_PER_HOST": "\(ranksOfHost)"])
            let text = "keeps its own copy of the converted weights"
            #expect(alone.exitCode == 0 && alone.stderr.components(separatedBy: text).count == 1 + warnings, "\(alone)")
        }
    }

    @Test func aRecordedStepIsReplayed() async throws {
        let sandbox = try Self.makeSandbox()
        let record = [
            "bench", "record", "-m", "model", "-d", "train.jsonl", "--global-batch", "6", "--micro-batch", "2", "--top",
            "40%", "--at-step", "1", "-o", "step.safetensors",
        ]
        let recorded = try await json(sandbox, record)
        let replay = ["bench", "exchange", "--recording", "step.safetensors", "--timed-steps", "2"]
        for ranks in [nil, 2] {
            let document = try await json(sandbox, replay + ["--compute-seconds", "0.01"], ranks: ranks)
            #expect(document["ranks"] as? Int == ranks ?? 1)
            #expect(document["values"] as? Int == recorded["values"] as? Int)
            let modes = try #require(document["modes"] as? [[String: Any]])
            let library = ranks == nil ? [] : ["MPI_Allreduce"]
            #expect(
                modes.compactMap { $0["mode"] as? String } == library + ["raw", "exact", "auto", "allreduce", "bf16"])
            #expect((document["codec"] as? [Any])?.count == 4)
        }
        let table = try await sandbox.neft(replay + ["--only", "raw,bf16", "--interface", "lo"], ranks: 2)
        #expect(table.exitCode == 0 && table.stdout.contains("\nMPI_Allreduce ") && table.stdout.contains("\nbf16 "))
        #expect(!table.stdout.contains("\nexact "))
        let refusals = [
            (replay + ["--only", "fast"], "--only fast"), (replay + ["--interface", "none0"], "--interface none0"),
            (["bench", "exchange", "--recording", "model/model.safetensors"], "before"),
        ]
        for (arguments, text) in refusals {
            let outcome = try await sandbox.neft(arguments)
            #expect(outcome.exitCode == 2 && outcome.stderr.contains(text), "\(outcome)")
        }
    }

    @Test func previewShowsWhatIsLearned() async throws {
        let sandbox = try Self.makeSandbox()
        let preview = ["preview", "-m", "model", "-d", "train.jsonl", "--global-batch", "6", "--micro-batch", "4"]
        let document = try await json(sandbox, preview + ["--batches", "3"])
        let rows = try #require(document["rows"] as? [[String: Any]])
        #expect(rows.count == 14 && document["rowCount"] as? Int == 14)
        let tokens = try #require(rows[1]["tokens"] as? [Int])
        let mask = try #require(rows[1]["lossMask"] as? [Int])
        // The completion "abab" and the end token, of a tokenizer of single bytes.
        #expect(zip(tokens, mask).filter { $0.1 == 1 }.map(\.0) == Array("abab".utf8).map(Int.init) + [257])
        #expect(tokens.count == mask.count && tokens.first == 256)
        #expect(document["tokenCount"] as? Int == rows.reduce(0) { $0 + (($1["tokens"] as? [Int])?.count ?? 0) })
        #expect(
            document["targetTokens"] as? Int == rows.reduce(0) { $0 + (($1["lossMask"] as? [Int])?.reduce(0, +) ?? 0) })
        let steps = try #require(document["steps"] as? [[String: Any]])
        let batches = steps.compactMap { $0["microBatches"] as? [[Int]] }
        #expect(
            batches.map { $0.map(\.count) } == [[4, 2], [4, 2], [2]]
                || batches.map { $0.map(\.count) } == [[3, 3], [3, 3], [2]])
        #expect(batches.joined().joined().sorted() == Array(0..<14), "three steps see each row once")

        let text = try await sandbox.neft(["preview", "-m", "model", "-d", "train.jsonl", "--show", "2"])
        #expect(text.exitCode == 0)
        let row = "<|im_start|>user\nnumber 1<|im_end|>\n<|im_start|>assistant\n⟦abab<|im_end|>⟧"
        #expect(text.stdout.contains(row))
        #expect(!text.stdout.contains("number 2"))
        #expect(text.stdout.contains("14 rows"))
    }

    @Test func badRowsAreSkippedAndCounted() async throws {
        let sandbox = try Self.makeSandbox()
        try sandbox.write(
            "some.jsonl",
            "{\"prompt\": \"a\", \"completion\": \"b\"}\nbroken\n{\"prompt\": \"a\", \"completion\": \"\"}\n")
        let document = try await json(sandbox, ["preview", "-m", "model", "-d", "some.jsonl", "--skip-bad-rows"])
        #expect(document["rowCount"] as? Int == 1)
        #expect(document["skippedRows"] as? Int == 2)
        let limited = try await json(sandbox, ["preview", "-m", "model", "-d", "train.jsonl", "--limit", "3"])
        #expect(limited["rowCount"] as? Int == 3)
        try sandbox.write("named.jsonl", "{\"question\": \"a\", \"answer\": \"b\"}\n")
        let named = try await json(
            sandbox, ["preview", "-m", "model", "-d", "named.jsonl", "--field", "prompt=question,completion=answer"])
        #expect(named["rowCount"] as? Int == 1)
    }

    /// The fine-tune of weight-shift leaves nothing behind: every neuron has moved against the original weights, and what is
    /// trained next begins with them.
    @Test(arguments: ["fp32", "auto"], ["F32", "BF16"])
    func weightShiftGoesBackToTheOriginal(compute: String, type: String) async throws {
        let sandbox = try Self.makeSandbox()
        if type == "BF16" {
            let model = try Decoder.load(ModelFiles.open(sandbox.path("model")), team: WorkerTeam(threads: 1))
            try writeCheckpoint(
                model.parameters.map(\.tensor), types: [type], to: sandbox.path("model/model.safetensors"))
        }
        let common = Self.train + ["--compute", compute]
        _ = try await json(
            sandbox, common + ["--profile-method", "weight-shift", "--profile-steps", "2", "-o", "profiled"])
        let profile = try SafetensorsFile(path: sandbox.path("profiled/profile.safetensors"))
        let scores = try profile.entries.keys.sorted().flatMap { try profile.doubles($0) }
        #expect(scores.count == 512 && scores.allSatisfy { $0 > 0 } && Set(scores).count > 500)
        _ = try await json(
            sandbox,
            common.filter { $0 != "--top" && $0 != "10%" } + [
                "--neurons", "profiled/neurons.safetensors", "-o", "given",
            ])
        let (first, second) = try (
            SafetensorsFile(path: sandbox.path("profiled/final/adapter.safetensors")),
            SafetensorsFile(path: sandbox.path("given/final/adapter.safetensors"))
        )
        #expect(first.entries.keys == second.entries.keys)
        for name in first.entries.keys where !name.hasSuffix(".rows") {
            #expect(try first.floats(name).values == second.floats(name).values, "\(name)")
        }
    }

    @Test(arguments: ["gradient", "weight-shift", "random"])
    func profileThenSelectThenTrain(method: String) async throws {
        let sandbox = try Self.makeSandbox()
        let profile = [
            "profile", "-m", "model", "-d", "train.jsonl", "--profile-method", method, "-o", "profile.safetensors",
            "--global-batch", "6", "--micro-batch", "2",
        ]
        let scored = try await json(sandbox, profile + (method == "random" ? [] : ["--steps", "2"]))
        // 2 layers of 32 + 16 + 16 + 32 + 64 + 64 + 32 rows.
        #expect(scored["neurons"] as? Int == 512)
        #expect(scored["method"] as? String == method)
        let selected = try await json(
            sandbox, ["select", "--scores", "profile.safetensors", "--top", "10%", "-o", "neurons.safetensors"])
        #expect(selected["selectedNeurons"] as? Int == 51)
        #expect((selected["projections"] as? [String: Int])?.values.reduce(0, +) == 51)
        let mask = try NeuronMask.load(sandbox.path("neurons.safetensors"))
        let channels = try #require(selected["channels"] as? [String: Int])
        for (name, projection) in [("o", Projection.output), ("down", .down)] {
            let rows = mask.modules.filter { $0.projection == projection }.flatMap(\.rows)
            #expect(channels[name] == Set(rows).count)
        }
        let trained = try await json(
            sandbox,
            Self.train.filter { $0 != "--top" && $0 != "10%" } + ["-o", "RUN", "--neurons", "neurons.safetensors"])
        #expect(trained["selectedNeurons"] as? Int == 51)
        #expect(trained["steps"] as? Int == 6)
        #expect(try sandbox.read("RUN/neurons.safetensors") == sandbox.read("neurons.safetensors"))
    }

    @Test func trainingLeavesACompleteRun() async throws {
        let sandbox = try Self.makeSandbox()
        let document = try await json(sandbox, Self.train + ["-o", "runs/A"])
        #expect(document["adapter"] as? String == "runs/A/final/adapter.safetensors")
        #expect((document["selectedParameters"] as? Int).map { $0 >= 51 * 32 } == true)
        #expect((document["tokensPerSecond"] as? Double).map { $0 > 0 } == true)
        #expect((document["peakMiB"] as? Double).map { $0 > 1 } == true)
        #expect(document["wireBytesPerStep"] as? Int == 0)
        #expect(
            sandbox.content.filter { $0.hasPrefix("runs/A/") } == [
                "runs/A/config.yaml", "runs/A/final", "runs/A/final/adapter.safetensors", "runs/A/manifest.json",
                "runs/A/metrics.jsonl", "runs/A/neurons.safetensors", "runs/A/profile.safetensors",
            ])
        let lines = String(decoding: try sandbox.read("runs/A/metrics.jsonl"), as: UTF8.self).split(separator: "\n")
        let losses = try lines.map { line in
            let step = try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            return try #require(step?["loss"] as? Double)
        }
        #expect(losses.count == 6)
        #expect(losses.last ?? .infinity < losses.first ?? 0, "\(losses)")
        let manifest = try #require(
            try JSONSerialization.jsonObject(with: sandbox.read("runs/A/manifest.json")) as? [String: Any])
        #expect((manifest["baseHash"] as? String)?.count == 64)
        #expect((manifest["maskHash"] as? String)?.count == 64)
        #expect((manifest["dataHashes"] as? [String: String])?["train.jsonl"]?.count == 64)
        #expect((manifest["options"] as? [String: String])?["learning-rate"] == "0.003")
        #expect((manifest["wallSeconds"] as? Double).map { $0 > 0 } == true)
    }

    /// The saved configuration makes the same run again; an option given beside it wins.
    @Test func savedConfigurationRepeatsTheRun() async throws {
        let sandbox = try Self.makeSandbox()
        let first = try await json(sandbox, Self.train + ["-o", "A", "--weight-decay", "0.01", "--schedule", "cosine"])
        let again = try await json(sandbox, ["train", "--config", "A/config.yaml", "-o", "B"])
        #expect(first["finalLoss"] as? Double == again["finalLoss"] as? Double)
        #expect(try sandbox.read("A/final/adapter.safetensors") == sandbox.read("B/final/adapter.safetensors"))
        let (a, b) = (try sandbox.read("A/config.yaml"), try sandbox.read("B/config.yaml"))
        #expect(
            String(decoding: a, as: UTF8.self).replacingOccurrences(of: "output: A", with: "output: B")
                == String(decoding: b, as: UTF8.self))
        let other = try await json(sandbox, ["train", "--config=A/config.yaml", "-o", "C", "--epochs", "1"])
        #expect(other["steps"] as? Int == 3)
    }

    /// The same bytes from 1, 2 and 4 ranks and from every way of exchanging.
    @Test(arguments: [(2, "exact"), (2, "raw"), (4, "exact")])
    func ranksGiveTheSameBytes(ranks: Int, wire: String) async throws {
        let sandbox = try Self.makeSandbox()
        _ = try await json(sandbox, Self.train + ["-o", "one"])
        let document = try await json(sandbox, Self.train + ["-o", "many", "--wire", wire], ranks: ranks)
        #expect((document["wireBytesPerStep"] as? Double).map { $0 > 0 } == true)
        for file in ["final/adapter.safetensors", "neurons.safetensors"] {
            #expect(try sandbox.read("one/\(file)") == sandbox.read("many/\(file)"), "\(file)")
        }
        let evaluate = [
            "evaluate", "-m", "model", "-d", "train.jsonl", "--adapter", "many/final", "--max-new-tokens", "8",
        ]
        let (one, many) = (try await json(sandbox, evaluate), try await json(sandbox, evaluate, ranks: ranks))
        #expect(one["loss"] as? Double == many["loss"] as? Double)
        #expect(one["chrf"] as? Double == many["chrf"] as? Double)
        #expect(one["rows"] as? Int == 14)
    }

    @Test func tuningShowsInEvaluationAndGeneration() async throws {
        let sandbox = try Self.makeSandbox()
        _ = try await json(sandbox, Self.train + ["-o", "RUN", "--epochs", "20", "--learning-rate", "3e-3"])
        let evaluate = ["evaluate", "-m", "model", "-d", "train.jsonl", "--max-new-tokens", "10", "--samples", "2"]
        let before = try await json(sandbox, evaluate)
        let after = try await json(sandbox, evaluate + ["--adapter", "RUN/final"])
        let (lossBefore, lossAfter) = (before["loss"] as? Double ?? 0, after["loss"] as? Double ?? .infinity)
        #expect(lossAfter < lossBefore - 1, "\(lossBefore) → \(lossAfter)")
        #expect((after["samples"] as? [[String: String]])?.count == 2)
        #expect(Set(after.keys).isSuperset(of: ["bleu", "chrf", "perplexity", "loss", "rows", "targetTokens"]))
        let lossOnly = try await json(sandbox, evaluate.dropLast(2) + ["--metrics", "perplexity"])
        #expect(Set(lossOnly.keys) == ["perplexity", "loss", "rows", "targetTokens", "data", "dataHash", "adapter"])

        let generate = ["generate", "-m", "model", "--prompt", "number 1", "--max-new-tokens", "10"]
        let answer = try await json(sandbox, generate + ["--adapter", "RUN/final"])
        let tokens = try #require(answer["tokens"] as? [Int])
        #expect(tokens.count <= 10 && !tokens.contains(257))
        #expect(
            answer["text"] as? String == String(decoding: tokens.map { UInt8(truncatingIfNeeded: $0) }, as: UTF8.self))
    }

    /// Full fine-tuning leaves a whole model, which is a model and an adapter.
    @Test func fullFineTuningLeavesAModel() async throws {
        let sandbox = try Self.makeSandbox()
        let full = Self.train.filter { $0 != "--top" && $0 != "10%" } + ["--method", "full", "-o", "RUN"]
        let document = try await json(sandbox, full)
        #expect(document["adapter"] as? String == "RUN/final")
        let loss = { (arguments: [String]) -> Double? in
            let evaluate = ["evaluate", "-d", "train.jsonl", "--metrics", "perplexity"]
            return try await self.json(sandbox, evaluate + arguments)["loss"] as? Double
        }
        let asAdapter = try #require(try await loss(["-m", "model", "--adapter", "RUN/final"]))
        #expect(asAdapter == (try await loss(["-m", "RUN/final"])))
        #expect(asAdapter < (try #require(try await loss(["-m", "model"]))))
    }

    /// LoRA leaves PEFT's files, the same bytes on any number of ranks and after a pause.
    @Test func lowRankAdapters() async throws {
        let sandbox = try Self.makeSandbox()
        let train =
            Self.train.filter { $0 != "--top" && $0 != "10%" && $0 != "--profile-method" && $0 != "random" }
            + ["--method", "lora", "--epochs", "6", "--learning-rate", "1e-2"]
        let dropped = train + ["--lora-rank", "4", "--lora-dropout", "0.1"]
        let document = try await json(sandbox, dropped + ["-o", "RUN"])
        // Of each of two layers: in + out of seven projections.
        #expect(document["selectedParameters"] as? Int == 2 * 4 * (64 + 48 + 48 + 64 + 96 + 96 + 96))
        #expect(document["adapter"] as? String == "RUN/final")
        for (ranks, name) in [(2, "RUN2"), (4, "RUN4")] {
            _ = try await json(sandbox, dropped + ["-o", name], ranks: ranks)
        }
        for file in ["adapter_model.safetensors", "adapter_config.json"] {
            let one = try sandbox.read("RUN/final/\(file)")
            #expect(try sandbox.read("RUN2/final/\(file)") == one && sandbox.read("RUN4/final/\(file)") == one)
        }
        // From a checkpoint on to the same bytes.
        let paused = try await sandbox.neft(dropped + ["-o", "PAUSED", "--save-every", "2", "--keep", "9"])
        #expect(paused.exitCode == 0)
        let resumed = dropped + ["-o", "RESUMED", "--resume", "PAUSED/checkpoint-000002"]
        _ = try await json(sandbox, resumed, ranks: 2)
        #expect(
            try sandbox.read("RESUMED/final/adapter_model.safetensors")
                == sandbox.read("RUN/final/adapter_model.safetensors"))
        let evaluate = ["evaluate", "-m", "model", "-d", "train.jsonl", "--metrics", "perplexity"]
        let before = try #require(try await json(sandbox, evaluate)["loss"] as? Double)
        let after = try #require(try await json(sandbox, evaluate + ["--adapter", "RUN/final"])["loss"] as? Double)
        #expect(after < before - 0.3, "\(before) → \(after)")
        // A share of the neurons as the measure of the rank: 10 % of 20,480 values, at 1,024 per rank.
        let matched = try await json(sandbox, train + ["-o", "MATCHED", "--match", "10%"])
        #expect(matched["selectedParameters"] as? Int == 2 * 2 * 512)
        let again = try await sandbox.neft(
            train + ["-o", "OTHER", "--lora-rank", "2", "--resume", "PAUSED/checkpoint-000002"])
        #expect(again.exitCode == 2 && again.stderr.contains("LoRA"), "\(again)")
    }

    /// A time line of both ranks, and the picture of it.
    @Test func traceShowsWhatRanksDo() async throws {
        let sandbox = try Self.makeSandbox()
        let train = Self.train + ["--max-steps", "4", "--recompute", "-o", "RUN", "--trace", "RUN/trace.json"]
        _ = try await json(sandbox, train, ranks: 2)
        let document = try JSONSerialization.jsonObject(with: try sandbox.read("RUN/trace.json")) as? [String: Any]
        let events = try #require(document?["traceEvents"] as? [[String: Any]])
        #expect(Set(events.compactMap { $0["pid"] as? Int }) == [0, 1])
        let phases = [
            "wait for weights", "attention", "feed-forward", "head and loss", "recompute", "feed-forward backward",
            "attention backward", "wait for gradients", "update",
        ]
        for rank in [0, 1] {
            let own = events.filter { $0["pid"] as? Int == rank }
            #expect(Set(own.compactMap { $0["name"] as? String }) == Set(phases))
            // Three steps are recorded, one after the other, nothing twice.
            #expect(own.count { $0["name"] as? String == "update" } == 3)
            let spans = own.compactMap { event -> (Double, Double)? in
                guard let start = event["ts"] as? Double, let length = event["dur"] as? Double else { return nil }
                return (start, start + length)
            }.sorted { $0.0 < $1.0 }
            #expect(spans.count == own.count && zip(spans, spans.dropFirst()).allSatisfy { $0.1 <= $1.0 + 0.01 })
            let layers = own.filter { $0["name"] as? String == "attention" }.compactMap {
                ($0["args"] as? [String: Any])?["layer"] as? Int
            }
            #expect(Set(layers) == [0, 1])
        }
        let report = try await sandbox.neft(["report", "RUN", "-o", "r.html"])
        #expect(report.exitCode == 0)
        let page = String(decoding: try sandbox.read("r.html"), as: UTF8.self)
        #expect(page.contains("Time line of a step") && page.contains("attention backward, layer 1"))
    }

    @Test func benchStepMeasures() async throws {
        let sandbox = try Self.makeSandbox()
        let step = ["bench", "step", "-m", "model", "--timed-steps", "2", "--threads", "1"]
        let random = try await json(sandbox, step + ["--batch", "2", "--length", "16"])
        #expect(random["tokens"] as? Int == 32)
        for key in ["tokensPerSecond", "stepSeconds", "gemmSeconds", "peakMiB"] {
            #expect((random[key] as? Double).map { $0 > 0 } == true, "\(key)")
        }
        let real = try await json(sandbox, step + ["-d", "train.jsonl", "--method", "linear"])
        #expect(real["trainedParameters"] as? Int == 2 * (32 * 32 * 2 + 16 * 32 * 2 + 64 * 32 * 2 + 32 * 64))
    }

    /// A run that diverges says so once, on however many ranks, and keeps what it has measured.
    @Test(arguments: [nil, 2])
    func divergenceEndsTheRun(ranks: Int?) async throws {
        let sandbox = try Self.makeSandbox()
        let outcome = try await sandbox.neft(Self.train + ["-o", "RUN", "--learning-rate", "1e30"], ranks: ranks)
        #expect(outcome.exitCode == 2, "\(outcome)")
        #expect(outcome.stderr.components(separatedBy: "neft: error: ").count == 2, "\(outcome)")
        #expect(outcome.stderr.contains("not finite"), "\(outcome)")
        #expect(sandbox.exists("RUN/metrics.jsonl") && !sandbox.exists("RUN/final"))
    }

    @Test func quietShowsNothingAndPlainLinesHoldNoControls() async throws {
        let sandbox = try Self.makeSandbox()
        let quiet = try await sandbox.neft(Self.train + ["-o", "A", "--quiet"])
        #expect(quiet.exitCode == 0)
        #expect(quiet.stderr.isEmpty, "\(quiet)")
        for ranks in [nil, 2] {
            let outcome = try await sandbox.neft(Self.train + ["-o", "B\(ranks ?? 0)"], ranks: ranks)
            #expect(outcome.exitCode == 0)
            #expect(!outcome.stderr.contains("\u{1B}") && !outcome.stderr.contains("\r"), "\(outcome)")
            for part in ["step 1/6", "step 6/6", "loss ", "lr ", "grad ", "tokens/s", "comm ", "sent ", "mem "] {
                #expect(outcome.stderr.contains(part), "\(part)")
            }
        }
    }
}
