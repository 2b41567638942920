import Glibc

/// How much two masks have in common, beside what chance would give.
public struct MaskOverlap: Sendable, Equatable {
    /// Neurons in both.
    public let common: Int
    /// Neurons in either.
    public let union: Int

    /// `common / union`; 0 for two empty masks.
    public var jaccard: Double { union > 0 ? Double(common) / Double(union) : 0 }

    /// Compares two masks of one model, module by module.
    public init(_ a: NeuronMask, _ b: NeuronMask) {
        let rows = Dictionary(uniqueKeysWithValues: a.modules.map { ($0.name, Set($0.rows)) })
        common = b.modules.reduce(0) { sum, module in
            sum + module.rows.count { rows[module.name]?.contains($0) == true }
        }
        union = a.count + b.count - common
    }

    /// The Jaccard index expected of two sets of `a` and `b` neurons, each drawn at random from `total`: the mean of
    /// `i / (a + b − i)` over the hypergeometric distribution of their common neurons `i`. 0 for two empty sets.
    ///
    /// - Parameters:
    ///   - a: in `0 … total`.
    ///   - b: in `0 … total`.
    ///   - total: neurons of the model.
    public static func expectedJaccard(_ a: Int, _ b: Int, of total: Int) -> Double {
        precondition(a >= 0 && b >= 0 && a <= total && b <= total, "MaskOverlap: more neurons than there are")
        func logChoose(_ n: Int, _ k: Int) -> Double {
            lgamma(Double(n + 1)) - lgamma(Double(k + 1)) - lgamma(Double(n - k + 1))
        }
        guard a + b > 0 else { return 0 }
        let all = logChoose(total, b)
        var sum = 0.0
        for common in stride(from: max(0, a + b - total), through: min(a, b), by: 1) {
            let probability = exp(logChoose(a, common) + logChoose(total - a, b - common) - all)
            sum += probability * Double(common) / Double(a + b - common)
        }
        return sum
    }
}
