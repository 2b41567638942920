import Foundation
import Neurons
import TestSupport
import Testing

/// From training to the page, and from one task's neurons to another task.
struct ReportCommandTests {
    private static func rows(_ words: [String]) -> String {
        words.map { #"{"text": "say \#($0)", "label": "\#($0)"}"# + "\n" }.joined()
    }

    private func succeed(_ sandbox: Sandbox, _ arguments: [String], ranks: Int? = nil) async throws -> [String: Any] {
        let outcome = try await sandbox.neft(arguments + ["--json"], ranks: ranks)
        #expect(outcome.exitCode == 0, "\(outcome)")
        return try #require(JSONSerialization.jsonObject(with: Data(outcome.stdout.utf8)) as? [String: Any])
    }

    @Test func trainEvaluateReport() async throws {
        let sandbox = try Sandbox()
        try sandbox.write("train.jsonl", Self.rows(["yes", "no", "yes", "maybe", "no", "yes", "no", "maybe"]))
        let common = ["-m", "model", "-d", "train.jsonl", "--max-length", "64"]
        var runs: [String] = []
        for seed in ["1", "2"] {
            let run = "run\(seed)"
            _ = try await succeed(
                sandbox,
                ["train", "-o", run, "--seed", seed, "--top", "10%", "--global-batch", "4", "--max-steps", "3"] + common
            )
            let outcome = try await sandbox.neft(
                ["evaluate", "--adapter", "\(run)/final", "--metrics", "rouge,accuracy,exact-match", "--json"]
                    + ["--max-new-tokens", "4"] + common)
            #expect(outcome.exitCode == 0, "\(outcome)")
            try sandbox.write("\(run)/evaluation.json", outcome.stdout)
            runs.append(run)
        }
        let document = try await succeed(sandbox, ["report"] + runs + ["-o", "report.html"])
        #expect(document["output"] as? String == "report.html")
        let groups = try #require(document["groups"] as? [[String: Any]])
        #expect(groups.count == 1 && groups[0]["runs"] as? [String] == runs)
        let metrics = try #require(groups[0]["metrics"] as? [String: [String: Any]])
        #expect(metrics.keys.sorted() == ["accuracy", "exactMatch", "rouge1", "rouge2", "rougeL"])
        #expect((metrics["accuracy"]?["values"] as? [Double])?.count == 2)
        let page = String(decoding: try sandbox.read("report.html"), as: UTF8.self)
        for word in ["Overlap of the masks", "Distribution of the scores", "accuracy", "run1", "run2"] {
            #expect(page.contains(word), "\(word)")
        }
    }

    /// The figures of every metric are the same on any number of ranks.
    @Test func metricsDoNotDependOnTheRanks() async throws {
        let sandbox = try Sandbox()
        try sandbox.write("test.jsonl", Self.rows(["yes", "no", "maybe", "no", "yes", "so", "no"]))
        let arguments = [
            "evaluate", "-m", "model", "-d", "test.jsonl", "--max-new-tokens", "5", "--metrics",
            "bleu,chrf,rouge,accuracy,exact-match,perplexity", "--threads", "1",
        ]
        var texts: [String] = []
        for ranks in [1, 2, 4] {
            let outcome = try await sandbox.neft(arguments + ["--json"], ranks: ranks)
            #expect(outcome.exitCode == 0, "\(outcome)")
            texts.append(outcome.stdout)
        }
        #expect(texts[0].contains("\"accuracy\":") && texts[0].contains("\"rougeL\":"))
        #expect(Set(texts).count == 1, "\(texts)")
    }

    @Test func dynamicsCountsWhatMoved() async throws {
        let sandbox = try Sandbox()
        try sandbox.writeProfile("old.safetensors", method: "activation", scores: [9, 8, 7, 6, 5])
        try sandbox.writeProfile("new.safetensors", method: "activation", scores: [8, 9, 7, 1, 5])
        let module = NeuronMask.Module(name: "model.layers.0.mlp.up_proj", layer: 0, projection: .up, rows: [0, 1])
        try NeuronMask(modules: [module], baseHash: "x", provenance: [:]).save(to: sandbox.path("mask.safetensors"))
        let document = try await succeed(
            sandbox,
            ["dynamics", "--before", "old.safetensors", "--after", "new.safetensors", "--trained", "mask.safetensors"]
                + ["--list", "2"])
        // Two pairs of neighbours change places: the trained one, and one that was not trained.
        let histogram = try #require(document["histogram"] as? [String: Any])
        #expect(histogram["from"] as? Int == -1 && histogram["to"] as? Int == 1)
        let (moved, still) = (histogram["trained"] as? [Int] ?? [], histogram["untrained"] as? [Int] ?? [])
        #expect(moved.count == 61 && moved[0] == 1 && moved[60] == 1 && moved[30] == 0)
        #expect(still.count == 61 && still[0] == 1 && still[60] == 1 && still[30] == 1)
        let effects = ["stronglyAffected": 1, "suppressed": 1, "indirectlyAffected": 2]
        #expect(document["effects"] as? [String: Int] == effects)
        #expect((document["projections"] as? [String: [String: Int]])?["up"] == effects)
        #expect((document["layers"] as? [[String: Int]]) == [effects])
        #expect(document["threshold"] as? Int == 1 && document["trainedNeurons"] as? Int == 2)
        #expect(abs((document["correlation"] as? Double ?? 0) - 0.8) < 1e-15)
        let listed = try #require(document["moved"] as? [[String: Any]])
        #expect(listed.compactMap { $0["row"] as? Int } == [0, 1])
        #expect(listed.compactMap { $0["before"] as? Int } == [1, 2])
        #expect(listed.compactMap { $0["after"] as? Int } == [2, 1])
        #expect(listed.compactMap { $0["effect"] as? String } == ["suppressed", "stronglyAffected"])
    }

    /// From a run with checkpoints to its dynamics and sparsity, and both into the report.
    @Test func whatTrainingDoesToTheNeurons() async throws {
        let sandbox = try Sandbox()
        try sandbox.write("train.jsonl", Self.rows(["yes", "no", "yes", "maybe", "no", "yes", "no", "maybe"]))
        let data = ["-m", "model", "-d", "train.jsonl"]
        _ = try await succeed(
            sandbox,
            ["train", "-o", "RUN", "--top", "10%", "--global-batch", "4", "--epochs", "2", "--learning-rate", "0.05"]
                + ["--save-every", "1", "--keep", "9"] + data)
        // The profile of the trained model is a profile of its base, of other weights.
        let profile = ["profile", "--profile-method", "activation"] + data
        _ = try await succeed(sandbox, profile + ["-o", "old"])
        _ = try await succeed(sandbox, profile + ["-o", "new", "--adapter", "RUN/final"])
        let (old, new) = (try NeuronProfile.load(sandbox.path("old")), try NeuronProfile.load(sandbox.path("new")))
        #expect(old.baseHash == new.baseHash && old.details["weightsHash"] == nil)
        #expect(new.details["weightsHash"]?.count == 64 && new.details["weightsHash"] != new.baseHash)
        #expect(new.details["adapter"] == "RUN/final" && old.modules != new.modules)
        let mask = ["--trained", "RUN/neurons.safetensors"]
        let dynamics = try await sandbox.neft(["dynamics", "--before", "old", "--after", "new", "--json"] + mask)
        #expect(dynamics.exitCode == 0, "\(dynamics)")
        try sandbox.write("RUN/dynamics.json", dynamics.stdout)

        let checkpoints = (1...3).map { "RUN/checkpoint-00000\($0)" } + ["RUN/final"]
        var texts: [String] = []
        for ranks in [nil, 2] {
            let outcome = try await sandbox.neft(
                ["sparsity"] + checkpoints + data
                    + ["--against", "accuracy,perplexity", "--threshold", "0.05", "--threads", "1", "--json"],
                ranks: ranks)
            #expect(outcome.exitCode == 0, "\(outcome)")
            texts.append(outcome.stdout)
        }
        #expect(texts[0] == texts[1])
        try sandbox.write("RUN/sparsity.json", texts[0])
        let document = try #require(JSONSerialization.jsonObject(with: Data(texts[0].utf8)) as? [String: Any])
        let states = try #require(document["states"] as? [[String: Any]])
        #expect(states.map { $0["adapter"] as? String } == [nil] + checkpoints)
        let shares = states.compactMap { $0["sparsity"] as? Double }
        #expect(Set(shares).count == 5 && shares.allSatisfy { $0 > 0.01 && $0 < 0.99 }, "\(shares)")
        for (state, share) in zip(states, shares) {
            let layers = try #require(state["layers"] as? [Double])
            #expect(layers.count == 2 && abs((layers[0] + layers[1]) / 2 - share) < 1e-12)
        }
        // The last state is what evaluating the result says, and the correlation is that of the figures.
        let evaluated = try await succeed(
            sandbox, ["evaluate", "--adapter", "RUN/final", "--metrics", "accuracy,perplexity"] + data)
        let figures = states.compactMap { ($0["figures"] as? [String: Double])?["perplexity"] }
        #expect(figures.count == 5 && figures.last == evaluated["perplexity"] as? Double)
        let correlations = try #require(document["correlations"] as? [String: [String: Double]])
        let ranked = { (values: [Double]) in values.map { value in Double(values.count { $0 <= value }) } }
        let (x, y) = (ranked(shares), ranked(figures))
        let spearman = zip(x, y).reduce(0) { $0 + ($1.0 - 3) * ($1.1 - 3) } / 10
        #expect(abs((correlations["perplexity"]?["spearman"] ?? 9) - spearman) < 1e-12)

        _ = try await succeed(sandbox, ["report", "RUN", "-o", "report.html"])
        let page = String(decoding: try sandbox.read("report.html"), as: UTF8.self)
        for word in ["What training did to the neurons", "Sparsity of activations", "over 5 models"] {
            #expect(page.contains(word), "\(word)")
        }
    }

    /// Also where the result is a whole model.
    @Test func aFullyTrainedModelIsProfiledAsOneOfItsBase() async throws {
        let sandbox = try Sandbox()
        try sandbox.write("train.jsonl", Self.rows(["yes", "no"]))
        let data = ["-m", "model", "-d", "train.jsonl", "--global-batch", "2", "--micro-batch", "2"]
        _ = try await succeed(sandbox, ["train", "-o", "RUN", "--method", "full"] + data)
        let profile = ["profile", "--profile-method", "activation"] + data
        _ = try await succeed(sandbox, profile + ["-o", "new", "--adapter", "RUN/final"])
        _ = try await succeed(sandbox, profile + ["-o", "old"])
        let moved = try await succeed(sandbox, ["dynamics", "--before", "old", "--after", "new"])
        #expect(moved["neurons"] as? Int == 512 && moved["trainedNeurons"] as? Int == 512)
    }

    /// Task A's neurons, trained on task B: the mask is taken as it is, and the report says where it is from.
    @Test func transfer() async throws {
        let sandbox = try Sandbox()
        try sandbox.write("a.jsonl", Self.rows(["yes", "no", "maybe", "so"]))
        try sandbox.write(
            "b.jsonl", #"{"prompt": "abc", "completion": "cba"}"# + "\n" + #"{"prompt": "de", "completion": "ed"}"#)
        let train = ["train", "-m", "model", "--global-batch", "2", "--micro-batch", "2", "--max-steps", "2"]
        _ = try await succeed(sandbox, train + ["-d", "a.jsonl", "-o", "A", "--top", "10%"])
        _ = try await succeed(sandbox, train + ["-d", "b.jsonl", "-o", "B", "--top", "10%"])
        _ = try await succeed(sandbox, train + ["-d", "b.jsonl", "-o", "A-to-B", "--neurons", "A/neurons.safetensors"])
        #expect(try sandbox.read("A-to-B/neurons.safetensors") == sandbox.read("A/neurons.safetensors"))
        #expect(try sandbox.read("A-to-B/neurons.safetensors") != sandbox.read("B/neurons.safetensors"))
        let files = ["A", "B", "A-to-B"].map { "\($0)/neurons.safetensors" }
        let compared = try await succeed(sandbox, ["compare"] + files)
        let pairs = try #require(compared["pairs"] as? [[String: Any]])
        let masks = try files.map { try NeuronMask.load(sandbox.path($0)) }
        #expect(pairs.count == 3 && pairs[1]["jaccard"] as? Double == 1)
        let jaccard = MaskOverlap(masks[0], masks[1]).jaccard
        #expect(abs((pairs[0]["jaccard"] as? Double ?? 0) - jaccard) < 1e-15)
        // Two layers of 32 + 16 + 16 + 32 + 64 + 64 + 32 neurons.
        let chance = MaskOverlap.expectedJaccard(masks[0].count, masks[1].count, of: 512)
        #expect(abs((pairs[0]["expectedJaccard"] as? Double ?? 0) - chance) < 1e-15)
        let document = try await succeed(sandbox, ["report", "B", "A-to-B", "-o", "transfer.html"])
        let labels = try #require((document["groups"] as? [[String: Any]])?.compactMap { $0["label"] as? String })
        #expect(labels.count == 2 && labels[0].contains("profile's data b.jsonl"), "\(labels)")
        #expect(labels[1].contains("profile's data a.jsonl"), "\(labels)")
    }
}
