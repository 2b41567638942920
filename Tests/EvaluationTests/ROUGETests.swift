import Foundation
import TestSupport
import Testing

@testable import Evaluation

/// ROUGE against rouge-score, on the pairs of `sacrebleu.json`: empty, repeated, non-Latin and very long outputs among
/// them.
struct ROUGETests {
    private struct Group: Decodable {
        let name: String
        /// ROUGE-1, -2, -L of each pair, 0 … 1.
        let pairs: [[Double]]
    }

    private let groups: [(name: String, pairs: [SacreBLEUFixture.Pair], scores: [[Double]])]

    init() throws {
        let file = URL(fileURLWithPath: FixturePath.committed("evaluation/rouge.json"))
        let rouge = try JSONDecoder().decode([Group].self, from: Data(contentsOf: file))
        let texts = try SacreBLEUFixture.load().groups
        try #require(rouge.map(\.name) == texts.map(\.name) && rouge.count >= 24)
        groups = zip(texts, rouge).map { ($0.name, $0.pairs, $1.pairs) }
    }

    @Test func scoresAreThoseOfRougeScore() {
        var nonZero = 0
        for group in groups {
            #expect(group.pairs.count == group.scores.count)
            for (pair, expected) in zip(group.pairs, group.scores) {
                let scores = ROUGEStatistics(hypothesis: pair.hypothesis, reference: pair.reference).scores
                let found = [scores.one, scores.two, scores.longest]
                #expect(
                    zip(found, expected).allSatisfy { abs($0 - $1) < 1e-12 },
                    "\(group.name): \(found), not \(expected): \(pair.hypothesis.debugDescription)")
                nonZero += expected[1] > 0 ? 1 : 0
            }
            let corpus = ROUGE.corpus(
                hypotheses: group.pairs.map(\.hypothesis), references: group.pairs.map(\.reference))
            for (i, value) in [corpus.one, corpus.two, corpus.longest].enumerated() {
                let mean = group.scores.reduce(0) { $0 + $1[i] } / Double(group.scores.count)
                #expect(abs(value - 100 * mean) < 1e-9, "\(group.name)")
            }
        }
        #expect(nonZero > 100)
    }

    @Test func anEmptyCorpusScoresZero() {
        #expect(ROUGE.corpus(hypotheses: [], references: []) == ROUGE.Scores(one: 0, two: 0, longest: 0))
    }

    @Test func longestCommonSubsequenceAgreesWithTheDefinition() {
        // Every subsequence of `a` by brute force.
        func naive(_ a: [UInt32], _ b: [UInt32]) -> Int {
            (0..<1 << a.count).map { bits -> Int in
                let part = a.indices.filter { bits >> $0 & 1 == 1 }.map { a[$0] }
                var rest = part[...]
                for symbol in b where rest.first == symbol { rest = rest.dropFirst() }
                return rest.isEmpty ? part.count : 0
            }.max() ?? 0
        }
        var state: UInt32 = 7
        for _ in 0..<60 {
            func next(_ n: UInt32) -> UInt32 {
                state = state &* 1_664_525 &+ 1_013_904_223
                return (state >> 16) % n
            }
            let a = (0..<next(9)).map { _ in next(3) }
            let b = (0..<next(12)).map { _ in next(3) }
            #expect(ROUGE.longestCommonSubsequence(a, b) == naive(a, b), "\(a) \(b)")
        }
    }
}
