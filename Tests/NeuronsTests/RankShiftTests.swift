import Models
import TestSupport
import Testing

@testable import Neurons

struct RankShiftTests {
    private let model = makeTinyDecoder(layers: 2)

    private func profile(_ method: String = "activation", base: String = "b", _ score: (Int) -> Double) -> NeuronProfile
    {
        NeuronProfile(
            model: model, scores: (0..<model.neuronCount).map(score), method: method, baseHash: base, details: [:])
    }

    private func random(_ seed: UInt64, method: String = "activation") -> NeuronProfile {
        let values = NeuronProfile.random(model: model, seed: seed, baseHash: "b").modules.flatMap(\.scores)
        // Ties among them.
        return profile(method) { (values[$0] * 200).rounded() }
    }

    private func shift(_ before: NeuronProfile, _ after: NeuronProfile, _ mask: NeuronMask? = nil) throws -> RankShift {
        try RankShift(before: before, after: after, mask: mask, names: ("old", "new", "mask"))
    }

    /// Ranks by counting who is ahead; the effects and the correlation from their definitions, in Double.
    @Test func agreesWithANaiveTwin() throws {
        let (before, after) = (random(1), random(2))
        let mask = try random(3).select(share: 0.3)
        let shift = try shift(before, after, mask)
        func ranks(_ profile: NeuronProfile) -> [Double] {
            let scores = profile.modules.flatMap(\.scores)
            return scores.indices.map { i in
                1 + Double(scores.indices.count { j in scores[j] > scores[i] || scores[j] == scores[i] && j < i })
            }
        }
        let (old, new) = (ranks(before), ranks(after))
        let differences = zip(old, new).map { $0 - $1 }
        #expect(shift.differences.map(Double.init) == differences)
        #expect(shift.before.map(Double.init) == old && shift.after.map(Double.init) == new)
        let moved = shift.mostMoved(40)
        let largest = differences.map(abs).sorted(by: >).prefix(40)
        #expect(moved.count == 40 && moved.map { abs(differences[$0]) } == Array(largest))
        #expect(zip(moved, moved.dropFirst()).allSatisfy { abs(differences[$0]) > abs(differences[$1]) || $0 < $1 })
        #expect(shift.mostMoved(1 << 40).count == old.count && shift.mostMoved(0).isEmpty)
        // The smallest value that at least 95 % of the neurons do not exceed.
        let candidates = differences.map(abs).sorted()
        let threshold = candidates.first { value in
            Double(candidates.count { $0 <= value }) >= 0.95 * Double(candidates.count) - 1e-9
        }
        #expect(Double(shift.threshold) == threshold)
        let trained = model.projections.flatMap { entry in
            (0..<entry.rows).map { row in
                mask.modules.contains { $0.name == entry.module && $0.rows.contains(Int32(row)) }
            }
        }
        var seen: Set<RankShift.Effect> = []
        for i in differences.indices {
            var expected: RankShift.Effect?
            if abs(differences[i]) >= threshold! {
                expected = !trained[i] ? .indirectlyAffected : differences[i] > 0 ? .stronglyAffected : .suppressed
            }
            #expect(shift.effect(i) == expected)
            if let expected { seen.insert(expected) }
        }
        #expect(seen.count == 3)
        let mean = Double(old.count + 1) / 2
        let covariance = zip(old, new).reduce(0) { $0 + ($1.0 - mean) * ($1.1 - mean) }
        let variance = old.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
        #expect(abs(shift.correlation - covariance / variance) < 1e-12)
    }

    @Test func nothingMovedMeansNothingAffected() throws {
        let shift = try shift(random(4), random(4))
        #expect(shift.correlation == 1 && shift.threshold == 1 && shift.isTrained.allSatisfy { $0 })
        #expect(shift.differences.indices.allSatisfy { shift.effect($0) == nil })
        #expect(try self.shift(profile { Double($0) }, profile { -Double($0) }).correlation == -1)
    }

    @Test func refusals() {
        func message(_ before: NeuronProfile, _ after: NeuronProfile, _ mask: NeuronMask? = nil) -> String {
            do {
                _ = try shift(before, after, mask)
                return ""
            } catch { return "\(error)" }
        }
        #expect(
            message(random(1), random(2, method: "gradient")).hasPrefix(
                "new: scores of gradient; expected scores of activation"))
        #expect(
            message(random(1), profile(base: "c") { Double($0) }).hasPrefix(
                "new: scores of another model (base hash c)"))
        let other = NeuronProfile.random(model: makeTinyDecoder(layers: 3), seed: 1, baseHash: "b")
        #expect(message(.random(model: model, seed: 1, baseHash: "b"), other).contains("neurons in other modules"))
        #expect(message(random(1), profile { $0 == 5 ? .nan : 0 }).hasPrefix("new: a score that is no number"))
        let foreign = NeuronMask(modules: [], baseHash: "x", provenance: [:])
        #expect(message(random(1), random(2), foreign).hasPrefix("mask: neurons of another model (base hash x)"))
    }
}
