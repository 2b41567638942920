/// How training changed the use of each neuron: its utilization rank before and after.
///
/// The *utilization rank* of a neuron is its place, from 1, among all neurons of the model by descending score; equal
/// scores in `NeuronID` order. The *rank difference* is the rank before minus the rank after: positive for a neuron that
/// is used more. The paper (arXiv 2403.11621) names the effects; the definitions are ours.
public struct RankShift: Sendable, Equatable {
    /// What training did to a neuron.
    public enum Effect: String, Sendable, CaseIterable {
        /// Trained, and its rank rose by at least the threshold.
        case stronglyAffected
        /// Trained, and its rank fell by at least the threshold.
        case suppressed
        /// Not trained, and its rank moved by at least the threshold.
        case indirectlyAffected
    }

    /// Utilization rank of each neuron, in `NeuronID` order: 1 for the highest score.
    public let before: [Int]
    /// The same after training.
    public let after: [Int]
    /// Rank before minus rank after.
    public let differences: [Int]
    /// Whether each neuron was trained, `[differences.count]`.
    public let isTrained: [Bool]
    /// The 95th percentile of the absolute differences (nearest rank), at least 1: where nothing moves nothing is
    /// affected.
    public let threshold: Int

    /// - Parameters:
    ///   - before: profile of the untrained model.
    ///   - after: profile of the trained model, of the same method and shape.
    ///   - mask: the trained neurons; nil if all were.
    ///   - names: what to call the two profiles and the mask in an error.
    /// - Throws: if the profiles are of different methods or shapes, a score is not a number, or the mask is not of the
    ///   model of `before`.
    public init(
        before: NeuronProfile, after: NeuronProfile, mask: NeuronMask?,
        names: (before: String, after: String, mask: String)
    ) throws(NeuronError) {
        func shape(_ profile: NeuronProfile) -> [String] { profile.modules.map { "\($0.name) \($0.scores.count)" } }
        guard before.method == after.method else {
            throw NeuronError(
                subject: names.after, found: "scores of \(after.method)",
                expected: "scores of \(before.method), as in \(names.before)", hint: "profile both models alike")
        }
        guard before.baseHash == after.baseHash else {
            throw NeuronError(
                subject: names.after, found: "scores of another model (base hash \(after.baseHash.prefix(12)))",
                expected: "the model of \(names.before) (\(before.baseHash.prefix(12)))",
                hint: "profile the trained model as -m MODEL --adapter RUN/final")
        }
        guard shape(before) == shape(after) else {
            throw NeuronError(
                subject: names.after, found: "\(after.neuronCount) neurons in other modules",
                expected: "the \(before.neuronCount) neurons of \(names.before)", hint: "profile both models alike")
        }
        for (profile, name) in [(before, names.before), (after, names.after)] {
            guard profile.modules.allSatisfy({ $0.scores.allSatisfy { !$0.isNaN } }) else {
                throw NeuronError(
                    subject: name, found: "a score that is no number", expected: "a number for every neuron",
                    hint: "profile again")
            }
        }
        var selected: [String: Set<Int32>] = [:]
        if let mask {
            guard mask.baseHash == before.baseHash else {
                throw NeuronError(
                    subject: names.mask, found: "neurons of another model (base hash \(mask.baseHash.prefix(12)))",
                    expected: "neurons of the model of \(names.before) (\(before.baseHash.prefix(12)))",
                    hint: "give the mask that was trained")
            }
            selected = Dictionary(uniqueKeysWithValues: mask.modules.map { ($0.name, Set($0.rows)) })
        }
        (self.before, self.after) = (Self.ranks(before), Self.ranks(after))
        differences = zip(self.before, self.after).map { $0 - $1 }
        isTrained = before.modules.flatMap { module in
            module.scores.indices.map { mask == nil || selected[module.name]?.contains(Int32($0)) == true }
        }
        let sizes = differences.map(abs).sorted()
        threshold = max(1, sizes.isEmpty ? 1 : sizes[(sizes.count * 95 + 99) / 100 - 1])
    }

    /// What happened to neuron `index`; nil for one that moved less than the threshold.
    public func effect(_ index: Int) -> Effect? {
        let difference = differences[index]
        guard abs(difference) >= threshold else { return nil }
        return isTrained[index] ? (difference > 0 ? .stronglyAffected : .suppressed) : .indirectlyAffected
    }

    /// The neurons that moved most, by `|difference|`, equal ones in `NeuronID` order.
    public func mostMoved(_ count: Int) -> [Int] {
        let order = differences.indices.sorted { (abs(differences[$0]), $1) > (abs(differences[$1]), $0) }
        return Array(order.prefix(count))
    }

    /// Spearman's rank correlation between before and after, `1 − 6 Σ d² / (n (n² − 1))`: exact, as no ranks are tied.
    /// 1 for fewer than two neurons.
    public var correlation: Double {
        let count = Double(differences.count)
        guard count > 1 else { return 1 }
        let squares = differences.reduce(0.0) { $0 + Double($1) * Double($1) }
        return 1 - 6 * squares / (count * (count * count - 1))
    }

    /// Ranks from 1, in `NeuronID` order.
    private static func ranks(_ profile: NeuronProfile) -> [Int] {
        let scores = profile.modules.flatMap(\.scores)
        var ranks = [Int](repeating: 0, count: scores.count)
        let order = scores.indices.sorted { (scores[$0], $1) > (scores[$1], $0) }
        for (place, index) in order.enumerated() { ranks[index] = place + 1 }
        return ranks
    }
}
