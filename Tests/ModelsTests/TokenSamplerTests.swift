import Foundation
import Models
import TestSupport
import Testing

@Suite struct TokenSamplerTests {
    private static let settings: [Sampling] = [
        Sampling(temperature: 1, seed: 1), Sampling(temperature: 0.3, topP: 0.9, seed: 2),
        Sampling(temperature: 2.5, topP: 0.5, seed: 3), Sampling(temperature: 0.8, topK: 5, seed: 4),
        Sampling(temperature: 1.3, topP: 0.7, topK: 12, seed: 5), Sampling(temperature: 1, topP: 1e-9, seed: 6),
        Sampling(temperature: 1, topK: 1, seed: 7), Sampling(temperature: 1, topP: 0.9999, topK: 1000, seed: 8),
    ]

    /// Probabilities as the definition has them: everything sorted, everything summed.
    private func naive(_ logits: [Float], _ sampling: Sampling) -> [Int32: Double] {
        let weights = logits.map { exp(Double($0) / sampling.temperature) }
        var order = logits.indices.sorted { (-weights[$0], $0) < (-weights[$1], $1) }
        if let topK = sampling.topK { order = Array(order.prefix(topK)) }
        let total = order.reduce(0) { $0 + weights[$1] }
        if sampling.topP < 1 {
            var sum = 0.0
            var kept: [Int] = []
            for token in order {
                kept.append(token)
                sum += weights[token] / total
                if sum >= sampling.topP { break }
            }
            order = kept
        }
        let keptTotal = order.reduce(0) { $0 + weights[$1] }
        return Dictionary(uniqueKeysWithValues: order.map { (Int32($0), weights[$0] / keptTotal) })
    }

    /// Values in steps, so that there are ties.
    private func logits(_ seed: UInt64, count: Int = 300) -> [Float] {
        randomFloats(count, seed: seed, scale: 8).map { ($0 * 8).rounded() / 8 }
    }

    @Test(arguments: settings) func candidatesAreTheNaiveOnes(sampling: Sampling) {
        for seed in UInt64(1)...20 {
            let logits = logits(seed)
            let expected = naive(logits, sampling)
            let found = logits.withUnsafeBufferPointer { TokenSampler(sampling).candidates($0) }
            let total = found.reduce(0) { $0 + $1.weight }
            #expect(Set(found.map(\.token)) == Set(expected.keys))
            for candidate in found {
                let probability = candidate.weight / total
                let wanted = expected[candidate.token] ?? 0
                #expect(abs(probability - wanted) <= 1e-12)
            }
        }
    }

    /// Of a damaged model: what is no number is never drawn, unless there is nothing else.
    @Test(arguments: settings) func noNumbers(sampling: Sampling) {
        let some: [Float] = [.nan, -1, .nan, 2, -.infinity, .nan]
        var sampler = TokenSampler(sampling)
        for _ in 0..<50 {
            #expect([1, 3].contains(some.withUnsafeBufferPointer { sampler.choose($0) }))
        }
        for logits: [Float] in [[.nan, .nan, .nan], [.infinity, 1, .nan], [-.infinity, -.infinity]] {
            let token = logits.withUnsafeBufferPointer { sampler.choose($0) }
            #expect(logits.indices.contains(Int(token)))
        }
    }

    /// χ² of 40,000 draws, against its mean plus six standard deviations.
    @Test(arguments: settings) func drawsFollowTheProbabilities(sampling: Sampling) {
        let logits = logits(99, count: 40)
        let expected = naive(logits, sampling)
        let draws = 40_000
        var counts: [Int32: Int] = [:]
        var sampler = TokenSampler(sampling)
        logits.withUnsafeBufferPointer { buffer in
            for _ in 0..<draws { counts[sampler.choose(buffer), default: 0] += 1 }
        }
        #expect(counts.keys.allSatisfy { expected[$0] != nil })
        // Tokens that are seldom drawn count together.
        var (statistic, cells, restExpected, restFound) = (0.0, 0, 0.0, 0.0)
        for (token, probability) in expected {
            let (wanted, found) = (probability * Double(draws), Double(counts[token] ?? 0))
            if wanted < 10 {
                restExpected += wanted
                restFound += found
            } else {
                statistic += (found - wanted) * (found - wanted) / wanted
                cells += 1
            }
        }
        if restExpected > 1 {
            statistic += (restFound - restExpected) * (restFound - restExpected) / restExpected
            cells += 1
        }
        let freedom = Double(cells - 1)
        #expect(statistic <= freedom + 6 * (2 * freedom).squareRoot(), "\(statistic) for \(cells) cells")
    }

    @Test func aSmallTemperatureTakesTheLikeliest() {
        let logits = randomFloats(200, seed: 3, scale: 5)
        let best = logits.indices.max { logits[$0] < logits[$1] }
        for seed in UInt64(0)..<50 {
            var sampler = TokenSampler(Sampling(temperature: 1e-4, seed: seed))
            #expect(logits.withUnsafeBufferPointer { Int(sampler.choose($0)) } == best)
        }
    }

    @Test func answersFollowFromTheSeedAlone() {
        func answer(seed: UInt64, threads: Int) -> [Int32] {
            makeTinyDecoder(threads: threads).generate(
                prompt: [3, 1, 4, 1, 5], maxNewTokens: 24, endTokens: [],
                sampling: Sampling(temperature: 1.5, topP: 0.95, seed: seed))
        }
        let first = answer(seed: 1, threads: 1)
        #expect(first.count == 24)
        #expect(answer(seed: 1, threads: 1) == first && answer(seed: 1, threads: 2) == first)
        #expect(answer(seed: 2, threads: 1) != first)
        let greedy = makeTinyDecoder().generateGreedy(prompts: [[3, 1, 4, 1, 5]], maxNewTokens: 24, endTokens: [])[0]
        #expect(first != greedy)
        let cold = makeTinyDecoder().generate(
            prompt: [3, 1, 4, 1, 5], maxNewTokens: 24, endTokens: [], sampling: Sampling(temperature: 1e-5, seed: 1))
        #expect(cold == greedy)
    }
}
