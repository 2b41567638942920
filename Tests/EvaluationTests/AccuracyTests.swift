import Collectives
import Datasets
import Foundation
import Models
import TestSupport
import Testing

@testable import Evaluation

struct AccuracyTests {
    private static let labels: [[Int32]] = [
        [5, 2], [9, 41], [11, 30], [33, 2], [9, 7, 2], [20, 8], [54, 61], [17, 3],
    ]

    /// Prompts of several lengths, labels in turn; a label's tokens follow the prompt.
    private static func makeRows(_ count: Int) -> [EvaluationRow] {
        (0..<count).map { i in
            let prompt = (0..<12 + i % 5).map { Int32(3 + (i * 17 + $0 * $0 * 5) % 60) }
            let label = labels[i * 5 % 8]
            return EvaluationRow(
                origin: "", prompt: "", promptTokens: prompt, reference: "\(label)", tokens: prompt + label,
                isTarget: prompt.map { _ in false } + label.map { _ in true })
        }
    }

    private static func evaluator(_ model: any LanguageModel, over communicator: any Communicator) -> Evaluator {
        Evaluator(model: model, communicator: communicator, options: .init())
    }

    /// One candidate at a time, each without any sharing, from the logits in Double.
    private static func naive(_ model: Decoder, _ rows: [EvaluationRow]) -> (accuracy: Double, choices: [Int]) {
        let vocabulary = model.vocabularySize
        let candidates = Array(
            rows.reduce(into: [[Int32]]()) { list, row in
                let label = Array(row.tokens[row.promptTokens.count...])
                if !list.contains(label) { list.append(label) }
            })
        var (right, choices) = (0, [Int]())
        for row in rows {
            let likelihoods = candidates.map { label -> Double in
                let tokens = row.promptTokens + label
                let batch = PackedBatch(rows: [(tokens, tokens.indices.map { $0 >= row.promptTokens.count })])
                var logits = [Float](repeating: 0, count: batch.targetCount * vocabulary)
                logits.withUnsafeMutableBufferPointer {
                    model.logits(batch, positions: batch.targetPositions, into: $0)
                }
                return label.enumerated().reduce(0) { sum, token in
                    let row = logits[token.offset * vocabulary..<(token.offset + 1) * vocabulary].map(Double.init)
                    let highest = row.max()!
                    let total = row.reduce(0) { $0 + exp($1 - highest) }
                    return sum + row[Int(token.element)] - highest - log(total)
                }
            }
            let best = likelihoods.indices.max { likelihoods[$0] < likelihoods[$1] }!
            choices.append(best)
            right += candidates[best] == Array(row.tokens[row.promptTokens.count...]) ? 1 : 0
        }
        return (100 * Double(right) / Double(rows.count), choices)
    }

    @Test func agreesWithANaiveTwinOnAnyNumberOfRanks() throws {
        let rows = Self.makeRows(64)
        let twin = Self.naive(makeTinyDecoder(), rows)
        // Not one class for every row, and neither all right nor all wrong.
        #expect(Set(twin.choices).count > 1 && twin.accuracy > 0 && twin.accuracy < 100)
        for ranks in [1, 2, 4] {
            let found = ThreadCommunicator.run(size: ranks) { communicator in
                try? Self.evaluator(makeTinyDecoder(), over: communicator).accuracy(rows)
            }
            #expect(found == [Double?](repeating: twin.accuracy, count: ranks), "\(ranks) ranks")
        }
    }

    @Test func exactMatchLeavesSpaceAroundAside() {
        func share(_ pairs: [(String, String)]) -> Double {
            Evaluator.exactMatch(pairs.map { EvaluationSample(prompt: "", reference: $0.1, output: $0.0) })
        }
        #expect(share([("libs", "libs"), (" libs\n", "libs\u{3000}"), ("", " "), ("é", "é")]) == 100)
        #expect(share([("lib s", "libs"), ("Libs", "libs"), ("e\u{301}", "é"), ("", "libs")]) == 0)
        #expect(share([("a", "a"), ("b", "a"), ("a", "a"), ("", "a")]) == 50)
        #expect(share([]) == 0)
    }

    @Test func refusals() {
        let rows = Self.makeRows(8)
        func message(_ rows: [EvaluationRow]) -> String {
            do {
                _ = try Self.evaluator(makeTinyDecoder(), over: LocalCommunicator())
                    .evaluate(rows, metrics: [.accuracy], decode: { _ in "" })
                return ""
            } catch { return error.description }
        }
        #expect(message([rows[0], rows[0]]).contains("1 different answers in 2 rows; expected 2 to 100 classes"))
        let many = (0..<101).map { i in
            EvaluationRow(
                origin: "", prompt: "", promptTokens: [1, 2], reference: "", tokens: [1, 2, Int32(i % 60), Int32(i)],
                isTarget: [false, false, true, true])
        }
        #expect(message(many).contains("101 different answers"))
        #expect(message([]).contains("no rows"))
    }
}
