import Collectives
import Datasets
import Foundation
import TestSupport
import Testing

@testable import Evaluation

struct EvaluatorTests {
    /// Rows of several lengths with text of digits: token t stands for "t ".
    private static func makeRows(_ count: Int) -> [EvaluationRow] {
        (0..<count).map { i in
            let prompt = (0..<1 + i * 7 % 11).map { Int32(10 + (i * 13 + $0 * 5) % 300) }
            let completion = (0..<1 + i % 4).map { Int32(10 + (i * 3 + $0) % 300) }
            return EvaluationRow(
                origin: i == 5 ? "test.jsonl:17" : "", prompt: "prompt \(i)", promptTokens: prompt,
                reference: text((prompt + completion).dropFirst()), tokens: prompt + completion,
                isTarget: prompt.map { _ in false } + completion.map { _ in true })
        }
    }

    @Sendable private static func text(_ tokens: some Sequence<Int32>) -> String {
        tokens.map { "\($0) è" }.joined(separator: " ")
    }

    private static func options() -> Evaluator.Options {
        Evaluator.Options(batchRows: 3, batchTokens: 20, maxNewTokens: 9, endTokens: [15])
    }

    private static func evaluate(_ rows: [EvaluationRow], ranks: Int) -> [EvaluationResult] {
        ThreadCommunicator.run(size: ranks) { communicator in
            let evaluator = Evaluator(model: FakeModel(), communicator: communicator, options: options())
            do {
                return try evaluator.evaluate(rows, metrics: Metric.allCases, decode: { text($0) })
            } catch {
                Issue.record(error)
                return EvaluationResult()
            }
        }
    }

    @Test func figuresDoNotDependOnTheNumberOfRanks() throws {
        let rows = Self.makeRows(38)
        let evaluator = Evaluator(model: FakeModel(), communicator: LocalCommunicator(), options: Self.options())
        let alone = try evaluator.evaluate(rows, metrics: Metric.allCases, decode: { Self.text($0) })
        #expect(alone.samples.count == 38)
        for ranks in [1, 2, 3, 4, 7] {
            let results = Self.evaluate(rows, ranks: ranks)
            #expect(results.count == ranks)
            for result in results { #expect(result == alone, "\(ranks) ranks") }
        }
    }

    /// The same with a real, if tiny, decoder, whose arithmetic does depend on the shapes of its batches.
    @Test func figuresOfADecoderDoNotDependOnTheNumberOfRanks() throws {
        let rows = TestSupport.makeRows(lengths: (0..<23).map { 4 + $0 * 7 % 19 }).map { tokens, isTarget in
            EvaluationRow(
                origin: "", prompt: "", promptTokens: Array(tokens.prefix(3)),
                reference: Self.text(tokens.dropFirst(3)),
                tokens: tokens, isTarget: isTarget)
        }
        let results = [1, 2, 3, 4].flatMap { ranks in
            ThreadCommunicator.run(size: ranks) { communicator in
                let evaluator = Evaluator(
                    model: makeTinyDecoder(), communicator: communicator, options: Self.options())
                return try? evaluator.evaluate(rows, metrics: Metric.allCases, decode: { Self.text($0) })
            }
        }
        let first = try #require(results[0])
        #expect(results.count == 10 && results.allSatisfy { $0 == first })
        // Untrained, the decoder is about as good as guessing among its 67 tokens.
        #expect(try #require(first.perplexity) > 20 && first.samples.allSatisfy { !$0.output.isEmpty })
    }

    /// The guard that makes the test above mean something: other batches do give other figures.
    @Test func figuresDependOnTheBatches() throws {
        let rows = Self.makeRows(38)
        var options = Self.options()
        func result() throws -> EvaluationResult {
            try Evaluator(model: FakeModel(), communicator: LocalCommunicator(), options: options)
                .evaluate(rows, metrics: Metric.allCases, decode: { Self.text($0) })
        }
        let small = try result()
        options.batchTokens = 40
        #expect(try result().loss != small.loss)
        options.batchRows = 1
        #expect(try result().bleu != small.bleu)
    }

    @Test func moreRanksThanBatches() {
        let rows = Self.makeRows(2)
        let results = Self.evaluate(rows, ranks: 4)
        #expect(results.allSatisfy { $0 == results[0] && $0.rows == 2 && $0.samples.count == 2 && $0.loss != nil })
    }

    @Test func lossIsTheSumOverTargetsPerTargetToken() throws {
        let rows = Self.makeRows(9)
        var options = Self.options()
        options.batchTokens = 1_000_000
        let model = FakeModel()
        let summary = try Evaluator(model: model, communicator: LocalCommunicator(), options: options).loss(rows)
        let batch = PackedBatch(rows: rows.map { ($0.tokens, $0.isTarget) })
        var losses = [Float](repeating: 0, count: batch.targetCount)
        losses.withUnsafeMutableBufferPointer { model.evaluate(batch, losses: $0) }
        let expected = losses.reduce(0) { $0 + Double($1) }
        #expect(summary.targetTokens == batch.targetCount)
        #expect(abs(summary.total - expected) < 1e-12 * expected)
        #expect(summary.loss == summary.total / Double(batch.targetCount))
        #expect(summary.perplexity == exp(summary.loss))
    }

    @Test func scoresAreThoseOfTheSamples() throws {
        let rows = Self.makeRows(20)
        let evaluator = Evaluator(model: FakeModel(), communicator: LocalCommunicator(), options: Self.options())
        let result = try evaluator.evaluate(rows, metrics: [.bleu, .chrf], decode: { Self.text($0) })
        let outputs = result.samples.map(\.output)
        #expect(result.samples.map(\.prompt) == rows.map(\.prompt))
        #expect(result.samples.map(\.reference) == rows.map(\.reference))
        #expect(outputs.contains { $0.contains("è") })
        #expect(result.bleu == BLEU.corpus(hypotheses: outputs, references: rows.map(\.reference)))
        #expect(result.chrf == ChrF.corpus(hypotheses: outputs, references: rows.map(\.reference)))
        #expect(result.loss == nil && result.perplexity == nil && result.targetTokens == 0)
        // Rows of 11 prompt tokens echo 10: one more than allowed, unless an end token stops them earlier.
        let cut = rows.filter { row in row.promptTokens.dropFirst().prefix { $0 != 15 }.count >= 9 }.count
        #expect(result.cutOutputs == cut && cut > 0)
    }

    @Test func onlyWhatIsAskedForIsComputed() throws {
        let model = FakeModel()
        let evaluator = Evaluator(model: model, communicator: LocalCommunicator(), options: Self.options())
        let result = try evaluator.evaluate(Self.makeRows(8), metrics: [.perplexity], decode: { Self.text($0) })
        #expect(model.generated.isEmpty && !model.scored.isEmpty)
        #expect(result.bleu == nil && result.chrf == nil && result.samples.isEmpty && result.cutOutputs == nil)
        #expect(result.perplexity != nil && result.targetTokens > 0)
    }

    @Test func progressReachesTheShareOfTheRank() throws {
        let rows = Self.makeRows(38)
        let ends = ThreadCommunicator.run(size: 3) { communicator in
            var seen: [EvaluationProgress] = []
            let evaluator = Evaluator(model: FakeModel(), communicator: communicator, options: Self.options())
            _ = try? evaluator.evaluate(rows, metrics: [.bleu, .perplexity], decode: { Self.text($0) }) {
                seen.append($0)
            }
            return seen
        }
        for phase in [EvaluationProgress.Phase.loss, .generation] {
            let seen = ends.map { $0.filter { $0.phase == phase } }
            #expect(seen.reduce(0) { $0 + ($1.last?.done ?? 0) } == 38)
            for reports in seen {
                #expect(reports.last.map { $0.done == $0.total } == true)
                #expect(zip(reports, reports.dropFirst()).allSatisfy { $0.done < $1.done && $0.total == $1.total })
            }
        }
    }

    @Test func jsonHoldsTheFiguresAskedForUnderTheirNames() throws {
        var result = EvaluationResult()
        result.bleu = 35.4
        result.loss = .infinity
        result.rows = 3
        let encoder = JSONEncoder()
        encoder.outputFormatting = .sortedKeys
        #expect(
            String(decoding: try encoder.encode(result), as: UTF8.self)
                == #"{"bleu":35.4,"rows":3,"targetTokens":0}"#)
    }
}
