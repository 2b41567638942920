import Foundation
import Neurons
import TestSupport
import Testing

@testable import Reporting

struct ReportTests {
    private let samples: SampleRuns

    init() throws { samples = try SampleRuns() }

    @Test func runsThatDifferInTheirSeedAreAGroup() throws {
        let paths = try [
            samples.make("a1", seed: 1, bleu: 20), samples.make("b1", method: "random", seed: 1, bleu: 10),
            samples.make("a2", seed: 2, bleu: 26), samples.make("f", method: "full", bleu: 30),
            samples.make("c", rate: "0.003"),
        ]
        let report = try samples.report(paths)
        #expect(report.groups.map { $0.runs.map(\.name) } == [["a1", "a2"], ["b1"], ["f"], ["c"]])
        #expect(
            report.groups.map(\.label) == [
                "neft, gradient 6%, learning-rate 0.0015", "neft, random 6%, learning-rate 0.0015",
                "full, learning-rate 0.0015", "neft, gradient 6%, learning-rate 0.003",
            ])
        let json = try #require(
            JSONSerialization.jsonObject(with: Data(report.json.text.utf8)) as? [[String: Any]])
        let bleu = try #require((json[0]["metrics"] as? [String: [String: Any]])?["bleu"])
        #expect(bleu["values"] as? [Double] == [20, 26] && bleu["mean"] as? Double == 23)
        #expect(abs((bleu["deviation"] as? Double ?? 0) - 18.squareRoot()) < 1e-12)
        #expect((json[1]["metrics"] as? [String: [String: Any]])?["bleu"]?["deviation"] is NSNull)
        // The page says the same; the best mean is marked.
        #expect(report.html.contains("<td>23.00 <small>± 4.2</small>"))
        #expect(report.html.contains("<td class=\"best\">30.00"))
    }

    @Test func thePageNeedsNothingElse() throws {
        let html = try samples.report([samples.make("a"), samples.make("b", method: "random")]).html
        for word in ["http", "<script", "src=", "url(", "@import", "<link"] { #expect(!html.contains(word), "\(word)") }
        for word in [
            "At a glance", "Training loss", "Where the selected neurons are", "Scores", "Distribution of the scores",
            "Overlap of the masks", "Time and bytes per step", "6.0 MB of 10.0 MB", "2.5 s",
            "CPU &lt;1&gt; &amp; &quot;2&quot;", "prefers-color-scheme:dark",
        ] { #expect(html.contains(word), "\(word)") }
        #expect(!html.contains("nan") && !html.contains("inf\""))
        // Every tag is closed: the page is well-formed XML but for its first line and three empty elements.
        let xml = html.replacing("<!DOCTYPE html>\n", with: "").replacing(/<meta [^>]*>/, with: "")
        #expect(XMLCheck.isWellFormed(xml))
    }

    @Test func figuresOfTheOverlapAreThoseOfTheMasks() throws {
        let report = try samples.report([samples.make("a"), samples.make("b", method: "random")])
        let (a, b) = (report.masks[0].mask, report.masks[1].mask)
        let overlap = MaskOverlap(a, b)
        let chance = MaskOverlap.expectedJaccard(
            a.count, b.count, of: try #require(report.runs[0].manifest.neuronCount))
        #expect(report.runs[0].manifest.neuronCount == 3 * (48 + 16 + 16 + 48 + 80 + 80 + 48))
        #expect(
            report.html.contains(
                "a and b: \(overlap.common) neurons in common, Jaccard \(Format.short(overlap.jaccard)), by chance "
                    + Format.short(chance)))
    }

    @Test func dynamicsAreDrawnWhereTheyAreKnown() throws {
        let run = try samples.make("a")
        #expect(try !samples.report([run]).html.contains("What training did"))
        try samples.writeDynamics("a/dynamics.json")
        let html = try samples.report([run]).html
        #expect(html.contains("4 strongly affected, 3 suppressed, 2 indirectly affected; rank correlation 0.987"))
        #expect(html.contains("8 neurons, 6 trained") && html.contains("50 neurons, 0 trained"))
        #expect(html.matches(of: /class="rule"/).count == 2)
    }

    @Test func sparsityIsDrawnForEachDataSet() throws {
        let run = try samples.make("a")
        #expect(try !samples.report([run]).html.contains("Sparsity of activations"))
        try samples.writeSparsity(
            "a/sparsity.json", "x/it/test.jsonl", [0.2, 0.25, 0.3],
            #"{"chrf": {"pearson": 0.87, "spearman": 0.5}, "perplexity": {"pearson": -0.75, "spearman": -1}}"#)
        try samples.writeSparsity("a/sparsity-fr.json", "x/fr/test.jsonl", [0.4], "{}")
        let html = try samples.report([run]).html
        #expect(html.contains("a on it/test.jsonl <small>20% → 30% inactive (below 0.1)"))
        #expect(html.contains("a on fr/test.jsonl <small>40% inactive"))
        #expect(html.contains("Pearson 0.87, Spearman 0.50 over 3 models; with perplexity -0.75, -1.00"))
        #expect(html.contains("<title>checkpoint-1: 25%, chrF 21</title>"))
        #expect(html.matches(of: /beside chrF/).count == 1)
        // As many lines as there are models, for each data set.
        #expect(html.matches(of: /<title>untrained: \d/).count == 3)
        try samples.write(#"{"threshold": 0.1, "data": "x", "states": [], "correlations": {}}"#, "a/sparsity.json")
        #expect(throws: ReportingError.self) { try samples.report([run]) }
    }

    @Test func trainedParametersAreInTheTable() throws {
        let run = try samples.make("a")
        var manifest = try RunManifest.read(from: run + "/manifest.json")
        #expect(try samples.report([run]).html.contains("<td>1</td><td>–</td>"))
        manifest.trainedParameters = 5_712_000
        try manifest.write(to: run + "/manifest.json")
        #expect(try samples.report([run]).html.contains("<td>1</td><td>5.7 M</td>"))
    }

    @Test func unfinishedAndBareRunsAreShown() throws {
        let early = try samples.make("early", steps: 0, finished: false, bleu: nil)
        for file in ["neurons.safetensors", "profile.safetensors", "metrics.jsonl"] {
            try FileManager.default.removeItem(atPath: "\(early)/\(file)")
        }
        let html = try samples.report([early]).html
        #expect(html.contains("not finished") && html.contains("No run has done a step yet"))
        #expect(html.contains("No run has selected neurons") && html.contains("No run was evaluated yet"))
        let late = try samples.make("late", steps: 1, finished: false, bleu: nil)
        let both = try samples.report([early, late])
        #expect(both.html.contains("2 runs not finished") && both.html.contains("<circle"))
        #expect(both.runs.map(\.steps.count).sorted() == [0, 1])
    }

    @Test func runsOfDifferentTasksAreRefused() throws {
        let first = try samples.make("a")
        func message(_ path: String) throws -> String {
            let error = #expect(throws: ReportingError.self) { try samples.report([first, path]) }
            return error?.description ?? ""
        }
        let task = try message(samples.make("b", data: "other/train.jsonl", dataHash: "d2"))
        #expect(
            task.hasPrefix(samples.folder.file("b") + ": a run of another task, trained on other/train.jsonl (hash d2)")
        )
        #expect(task.contains("expected the data of \(first), data/train.jsonl (hash d1)"))
        #expect(try message(samples.make("c", baseHash: "x")).contains("a run of another model (base hash x)"))
        #expect(
            try message(samples.make("d", evaluationHash: "t2")).contains("evaluation.json of other data (hash t2)"))
        // The same data under another name are the same task.
        #expect(try samples.report([first, samples.make("e", data: "moved.jsonl")]).runs.count == 2)
    }

    @Test func whatIsNoRunIsRefused() throws {
        func message(_ path: String) -> String {
            do {
                _ = try ReportedRun(folder: path)
                return ""
            } catch { return "\(error)" }
        }
        #expect(message(samples.folder.file("nowhere")).contains("nowhere: no such folder"))
        #expect(message(samples.folder.path).contains("no manifest.json in it; expected the folder of a run"))
        let run = try samples.make("a")
        #expect(message(run + "/manifest.json").contains("manifest.json: a file"))
        try samples.write("{\"step\":1}\nnonsense\n", "a/metrics.jsonl")
        #expect(message(run).contains("metrics.jsonl:2: a line that is not a step's"))
        try samples.write("", "a/metrics.jsonl")
        try samples.write("BLEU 20\n", "a/evaluation-x.json")
        #expect(
            message(run).contains(
                "evaluation-x.json: no JSON object with a figure such as \"bleu\"; expected the output of neft evaluate"
            )
        )
        try FileManager.default.removeItem(atPath: run + "/evaluation-x.json")
        try samples.write("{}", "a/dynamics.json")
        #expect(message(run).contains("dynamics.json: no rank differences; expected the output of neft dynamics"))
        try FileManager.default.removeItem(atPath: run + "/dynamics.json")
        try samples.write("????", "a/neurons.safetensors")
        #expect(message(run).contains("neurons.safetensors"))
    }

    @Test func ticksAreRoundAndWithinTheRange() {
        #expect(Chart.ticks(0...10, count: 5) == [0, 2, 4, 6, 8, 10])
        #expect(Chart.ticks(-0.3...0.35, count: 5).map { ($0 * 10).rounded() } == [-2, 0, 2])
        for range in [0.0...1e-9, 1e6...1e6 + 3, -5.0...200] {
            let ticks = Chart.ticks(range, count: 6)
            #expect((2...12).contains(ticks.count) && ticks.allSatisfy { range.lowerBound - 1e-9 <= $0 })
        }
    }
}

/// Whether tags are closed in the order in which they were opened.
private enum XMLCheck {
    static func isWellFormed(_ text: String) -> Bool {
        var open: [Substring] = []
        for match in text.matches(of: /<(\/?)([a-z0-9]+)(?:\s[^<>]*?)?(\/?)>/) {
            if !match.1.isEmpty {
                guard open.popLast() == match.2 else { return false }
            } else if match.3.isEmpty {
                open.append(match.2)
            }
        }
        return open.isEmpty
    }
}
