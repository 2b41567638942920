/// How two series of figures go together.
public struct Correlation: Sendable, Equatable {
    /// Of the values, -1 … 1.
    public let pearson: Double
    /// Of the values' ranks, equal ones sharing the mean of theirs: -1 … 1.
    public let spearman: Double

    /// Nil for fewer than three pairs, a value that is not finite, or a series that does not vary.
    public init?(_ x: [Double], _ y: [Double]) {
        precondition(x.count == y.count, "Correlation: \(x.count) and \(y.count) values")
        guard x.count >= 3, (x + y).allSatisfy(\.isFinite), let pearson = Self.pearson(x, y),
            let spearman = Self.pearson(Self.ranks(x), Self.ranks(y))
        else { return nil }
        self.pearson = pearson
        self.spearman = spearman
    }

    private static func pearson(_ x: [Double], _ y: [Double]) -> Double? {
        func centred(_ values: [Double]) -> [Double] {
            let mean = values.reduce(0, +) / Double(values.count)
            return values.map { $0 - mean }
        }
        func product(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
        guard Set(x).count > 1, Set(y).count > 1 else { return nil }
        let (a, b) = (centred(x), centred(y))
        let scale = (product(a, a) * product(b, b)).squareRoot()
        return scale > 0 ? max(-1, min(1, product(a, b) / scale)) : nil
    }

    /// Ranks from 1, ascending.
    private static func ranks(_ values: [Double]) -> [Double] {
        values.map { value in
            let (below, equal) = (values.count { $0 < value }, values.count { $0 == value })
            return Double(below) + Double(equal + 1) / 2
        }
    }
}
