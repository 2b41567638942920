import Collectives
import TestSupport
import Testing

@testable import Evaluation

/// What evaluation refuses, and what it says.
struct RefusalTests {
    private let evaluator = Evaluator(
        model: FakeModel(), communicator: LocalCommunicator(), options: .init(maxNewTokens: 10))

    private func row(prompt: [Int32] = [1, 2], tokens: [Int32] = [1, 2, 3], targets: [Bool] = [false, false, true])
        -> EvaluationRow
    {
        EvaluationRow(
            origin: "test.jsonl:17", prompt: "p", promptTokens: prompt, reference: "r", tokens: tokens,
            isTarget: targets)
    }

    private func message(_ rows: [EvaluationRow], _ metrics: [Metric]) -> String? {
        do {
            _ = try evaluator.evaluate(rows, metrics: metrics, decode: { _ in "" })
            return nil
        } catch {
            return error.description
        }
    }

    @Test func goodRowsPass() {
        #expect(message([row()], Metric.standard + [.rouge, .exactMatch]) == nil)
    }

    @Test func noRows() {
        #expect(message([], [.bleu])?.contains("no rows") == true)
        #expect(message([], [.perplexity])?.contains("no rows") == true)
    }

    @Test func rowWithoutTarget() {
        let text = message([row(targets: [false, false, false])], [.perplexity])
        #expect(text?.hasPrefix("test.jsonl:17: row has no target tokens; expected a non-empty completion") == true)
    }

    @Test func malformedMarks() {
        #expect(message([row(targets: [false, true])], [.perplexity])?.contains("3 tokens and 2 loss marks") == true)
        #expect(message([row(targets: [true, true, true])], [.perplexity])?.contains("first one unset") == true)
    }

    @Test func rowWithoutPrompt() {
        #expect(message([row(), row(prompt: [])], [.chrf])?.contains("row has no prompt") == true)
        #expect(message([row(prompt: [])], [.perplexity]) == nil)
    }

    @Test func tooLong() {
        let long = [Int32](repeating: 1, count: 65)
        let marks = [false] + [Bool](repeating: true, count: 64)
        #expect(message([row(tokens: long, targets: marks)], [.perplexity])?.contains("65 tokens") == true)
        let prompt = message([row(prompt: [Int32](repeating: 1, count: 55))], [.bleu])
        #expect(prompt?.contains("--max-new-tokens") == true)
        #expect(message([row(prompt: [Int32](repeating: 1, count: 54))], [.bleu]) == nil)
    }

    @Test func tokenOutsideTheVocabulary() {
        #expect(message([row(prompt: [1, 1000])], [.bleu])?.contains("token 1000") == true)
        #expect(message([row(tokens: [1, -2, 3])], [.perplexity])?.contains("token -2") == true)
    }

    @Test func metricNames() throws {
        #expect(try Metric.parse("bleu,chrf,perplexity") == [.bleu, .chrf, .perplexity])
        #expect(try Metric.parse(" chrF , BLEU,chrf ") == [.chrf, .bleu])
        for (list, name) in [("bleu,rogue", "rogue"), ("meteor", "meteor")] {
            let error = #expect(throws: EvaluationError.self) { try Metric.parse(list) }
            #expect(
                error?.description.hasPrefix(
                    "--metrics: unknown metric \"\(name)\"; expected a comma-separated list of bleu, chrf, rouge, accuracy, "
                        + "exact-match, perplexity")
                    == true)
        }
        for list in ["", "bleu,", ",", " "] {
            let error = #expect(throws: EvaluationError.self) { try Metric.parse(list) }
            #expect(error?.description.contains("an empty name") == true)
        }
    }
}
