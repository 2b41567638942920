import Glibc

/// What BLEU needs to know of a corpus. The statistics of two halves add up to those of the whole, exactly, so the score
/// does not depend on how rows were dealt.
public struct BLEUStatistics: Sendable, Equatable {
    /// Tokens of all hypotheses.
    public var hypothesisLength = 0
    /// Tokens of all references.
    public var referenceLength = 0
    /// Hypothesis n-grams found in their reference (clipped), by order, `[4]`.
    public var correct = [Int](repeating: 0, count: BLEU.maxOrder)
    /// Hypothesis n-grams, by order, `[4]`.
    public var total = [Int](repeating: 0, count: BLEU.maxOrder)

    /// Statistics of no pair.
    public init() {}

    /// The statistics of one pair.
    public init(hypothesis: String, reference: String) {
        // Numbering tokens, rather than comparing strings: Swift takes canonically equivalent strings for equal.
        var numbers: [[UInt32]: UInt32] = [:]
        func number(_ token: [UInt32]) -> UInt32 {
            let next = UInt32(numbers.count)
            let number = numbers[token, default: next]
            if number == next { numbers[token] = next }
            return number
        }
        let hypothesis = Tokenizer13a.tokens(of: hypothesis).map(number)
        let reference = Tokenizer13a.tokens(of: reference).map(number)
        hypothesisLength = hypothesis.count
        referenceLength = reference.count
        correct = NGramMatches.count(hypothesis: hypothesis, reference: reference, maxOrder: BLEU.maxOrder)
        total = (1...BLEU.maxOrder).map { max(0, hypothesis.count - $0 + 1) }
    }

    /// Inverse of `counts`.
    init(counts: [Int]) {
        hypothesisLength = counts[0]
        referenceLength = counts[1]
        correct = Array(counts[2..<2 + BLEU.maxOrder])
        total = Array(counts[2 + BLEU.maxOrder..<2 + 2 * BLEU.maxOrder])
    }

    /// Everything as one list, to be added up over ranks.
    var counts: [Int] { [hypothesisLength, referenceLength] + correct + total }

    /// Adds the counts of other pairs.
    public static func += (a: inout BLEUStatistics, b: BLEUStatistics) {
        a.hypothesisLength += b.hypothesisLength
        a.referenceLength += b.referenceLength
        for i in 0..<BLEU.maxOrder {
            a.correct[i] += b.correct[i]
            a.total[i] += b.total[i]
        }
    }
}

/// Corpus BLEU with sacreBLEU's defaults: 13a tokens, mixed case, n-grams up to 4, one reference, exponential smoothing
/// (signature `nrefs:1|case:mixed|eff:no|tok:13a|smooth:exp`). Papineni et al. 2002; Post 2018.
public enum BLEU {
    /// Longest n-gram, in tokens.
    public static let maxOrder = 4

    /// The score, 0 … 100. A corpus without any match, or without any 4-gram, scores 0.
    public static func score(_ statistics: BLEUStatistics) -> Double {
        guard statistics.correct.contains(where: { $0 > 0 }) else { return 0 }
        var brevityPenalty = 1.0
        if statistics.hypothesisLength < statistics.referenceLength {
            brevityPenalty = exp(1 - Double(statistics.referenceLength) / Double(statistics.hypothesisLength))
        }
        var logSum = 0.0
        var smoothing = 1.0
        for (correct, total) in zip(statistics.correct, statistics.total) {
            guard total > 0 else { return 0 }
            if correct == 0 {
                smoothing *= 2
                logSum += log(100 / (smoothing * Double(total)))
            } else {
                logSum += log(100 * Double(correct) / Double(total))
            }
        }
        return brevityPenalty * exp(logSum / Double(maxOrder))
    }

    /// The score of hypotheses against the reference of the same index; both lists have one length.
    public static func corpus(hypotheses: [String], references: [String]) -> Double {
        precondition(hypotheses.count == references.count, "BLEU: unmatched hypotheses and references")
        var sum = BLEUStatistics()
        for (hypothesis, reference) in zip(hypotheses, references) {
            sum += BLEUStatistics(hypothesis: hypothesis, reference: reference)
        }
        return score(sum)
    }
}
