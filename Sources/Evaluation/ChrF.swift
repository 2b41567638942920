/// What chrF needs to know of a corpus; adds up exactly, like `BLEUStatistics`.
public struct ChrFStatistics: Sendable, Equatable {
    /// Hypothesis n-grams by order, counted only where the reference has n-grams of that order, `[6]`.
    public var hypothesis = [Int](repeating: 0, count: ChrF.maxOrder)
    /// Reference n-grams by order, `[6]`.
    public var reference = [Int](repeating: 0, count: ChrF.maxOrder)
    /// Clipped matches by order, `[6]`.
    public var matches = [Int](repeating: 0, count: ChrF.maxOrder)

    /// Statistics of no pair.
    public init() {}

    /// The statistics of one pair.
    public init(hypothesis: String, reference: String) {
        let hypothesis = ChrFStatistics.characters(of: hypothesis)
        let reference = ChrFStatistics.characters(of: reference)
        matches = NGramMatches.count(hypothesis: hypothesis, reference: reference, maxOrder: ChrF.maxOrder)
        for i in 0..<ChrF.maxOrder {
            self.reference[i] = max(0, reference.count - i)
            self.hypothesis[i] = self.reference[i] > 0 ? max(0, hypothesis.count - i) : 0
        }
    }

    /// Code points without white space.
    private static func characters(of text: String) -> [UInt32] {
        text.unicodeScalars.lazy.map(\.value).filter { !Tokenizer13a.isSpace($0) }
    }

    /// Inverse of `counts`.
    init(counts: [Int]) {
        hypothesis = Array(counts[0..<ChrF.maxOrder])
        reference = Array(counts[ChrF.maxOrder..<2 * ChrF.maxOrder])
        matches = Array(counts[2 * ChrF.maxOrder..<3 * ChrF.maxOrder])
    }

    /// Everything as one list, to be added up over ranks.
    var counts: [Int] { hypothesis + reference + matches }

    /// Adds the counts of other pairs.
    public static func += (a: inout ChrFStatistics, b: ChrFStatistics) {
        for i in 0..<ChrF.maxOrder {
            a.hypothesis[i] += b.hypothesis[i]
            a.reference[i] += b.reference[i]
            a.matches[i] += b.matches[i]
        }
    }
}

/// Corpus chrF2 with sacreBLEU's defaults: character n-grams up to 6 without white space, no words, β = 2, precision and
/// recall averaged over the orders that occur (signature `nrefs:1|case:mixed|eff:yes|nc:6|nw:0|space:no`). Popović 2015.
public enum ChrF {
    /// Longest n-gram, in characters.
    public static let maxOrder = 6
    private static let betaSquared = 4.0

    /// The score, 0 … 100.
    public static func score(_ statistics: ChrFStatistics) -> Double {
        var precision = 0.0
        var recall = 0.0
        var orders = 0.0
        for i in 0..<maxOrder where statistics.hypothesis[i] > 0 && statistics.reference[i] > 0 {
            precision += Double(statistics.matches[i]) / Double(statistics.hypothesis[i])
            recall += Double(statistics.matches[i]) / Double(statistics.reference[i])
            orders += 1
        }
        guard precision + recall > 0 else { return 0 }
        precision /= orders
        recall /= orders
        return 100 * ((1 + betaSquared) * precision * recall / (betaSquared * precision + recall))
    }

    /// The score of hypotheses against the reference of the same index; both lists have one length.
    public static func corpus(hypotheses: [String], references: [String]) -> Double {
        precondition(hypotheses.count == references.count, "ChrF: unmatched hypotheses and references")
        var sum = ChrFStatistics()
        for (hypothesis, reference) in zip(hypotheses, references) {
            sum += ChrFStatistics(hypothesis: hypothesis, reference: reference)
        }
        return score(sum)
    }
}
