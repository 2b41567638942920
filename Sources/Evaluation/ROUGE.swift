/// What ROUGE needs to know of one pair: five integers, so that what ranks counted can be put together exactly.
public struct ROUGEStatistics: Sendable, Equatable {
    /// Tokens of the hypothesis.
    public let hypothesisLength: Int
    /// Tokens of the reference.
    public let referenceLength: Int
    /// Tokens and pairs of tokens that both hold (clipped), `[2]`.
    public let matches: [Int]
    /// Tokens of the longest common subsequence.
    public let longestCommon: Int

    /// The statistics of one pair.
    public init(hypothesis: String, reference: String) {
        var numbers: [[UInt8]: UInt32] = [:]
        func number(_ token: [UInt8]) -> UInt32 {
            let next = UInt32(numbers.count)
            let number = numbers[token, default: next]
            if number == next { numbers[token] = next }
            return number
        }
        let hypothesis = ROUGE.tokens(of: hypothesis).map(number)
        let reference = ROUGE.tokens(of: reference).map(number)
        hypothesisLength = hypothesis.count
        referenceLength = reference.count
        matches = NGramMatches.count(hypothesis: hypothesis, reference: reference, maxOrder: 2)
        longestCommon = ROUGE.longestCommonSubsequence(hypothesis, reference)
    }

    static let countCount = 5

    /// Inverse of `counts`.
    init(counts: some Collection<Int>) {
        let counts = Array(counts)
        hypothesisLength = counts[0]
        referenceLength = counts[1]
        matches = Array(counts[2..<4])
        longestCommon = counts[4]
    }

    /// Everything as one list, `[countCount]`.
    var counts: [Int] { [hypothesisLength, referenceLength] + matches + [longestCommon] }

    /// F1 of tokens, of pairs of tokens and of the longest common subsequence, 0 … 1 each.
    public var scores: ROUGE.Scores {
        func f1(_ matches: Int, _ hypothesis: Int, _ reference: Int) -> Double {
            let precision = Double(matches) / Double(max(hypothesis, 1))
            let recall = Double(matches) / Double(max(reference, 1))
            return precision + recall > 0 ? 2 * precision * recall / (precision + recall) : 0
        }
        return ROUGE.Scores(
            one: f1(matches[0], hypothesisLength, referenceLength),
            two: f1(matches[1], hypothesisLength - 1, referenceLength - 1),
            longest: f1(longestCommon, hypothesisLength, referenceLength))
    }
}

/// ROUGE-1, ROUGE-2 and ROUGE-L (Lin 2004) as the Python package rouge-score computes them without its stemmer: F1 of
/// each pair, then the mean over pairs. Tokens are runs of a–z and 0–9 after lower-casing, so other scripts have none.
public enum ROUGE {
    /// Three scores, 0 … 100.
    public struct Scores: Sendable, Equatable {
        /// ROUGE-1: words in common.
        public var one: Double
        /// ROUGE-2: pairs of words in common.
        public var two: Double
        /// ROUGE-L: the longest common subsequence.
        public var longest: Double

        /// Scores as they are named.
        public init(one: Double, two: Double, longest: Double) {
            self.one = one
            self.two = two
            self.longest = longest
        }
    }

    /// The scores of a corpus, 0 … 100: the mean over its pairs, added up in their order; 0 for an empty corpus.
    public static func score(_ statistics: [ROUGEStatistics]) -> Scores {
        var sum = Scores(one: 0, two: 0, longest: 0)
        for scores in statistics.lazy.map(\.scores) {
            sum.one += scores.one
            sum.two += scores.two
            sum.longest += scores.longest
        }
        let count = Double(max(1, statistics.count))
        return Scores(one: 100 * sum.one / count, two: 100 * sum.two / count, longest: 100 * sum.longest / count)
    }

    /// The scores of hypotheses against the reference of the same index; both lists have one length.
    public static func corpus(hypotheses: [String], references: [String]) -> Scores {
        precondition(hypotheses.count == references.count, "ROUGE: unmatched hypotheses and references")
        return score(zip(hypotheses, references).map { ROUGEStatistics(hypothesis: $0, reference: $1) })
    }

    /// Runs of ASCII letters and digits. Two letters from elsewhere have ASCII ones as their lower case: K (Kelvin), İ.
    static func tokens(of text: String) -> [[UInt8]] {
        var tokens: [[UInt8]] = []
        var token: [UInt8] = []
        for scalar in text.unicodeScalars {
            for byte in scalar.isASCII ? String(scalar).lowercased().utf8 : scalar.properties.lowercaseMapping.utf8 {
                if (0x61...0x7A).contains(byte) || (0x30...0x39).contains(byte) {
                    token.append(byte)
                } else if !token.isEmpty {
                    tokens.append(token)
                    token = []
                }
            }
        }
        return token.isEmpty ? tokens : tokens + [token]
    }

    /// Length of the longest sequence that is in both, in order, gaps allowed. Time is the product of the lengths,
    /// memory the length of `b`.
    static func longestCommonSubsequence(_ a: [UInt32], _ b: [UInt32]) -> Int {
        var lengths = [Int](repeating: 0, count: b.count + 1)
        for symbol in a {
            var diagonal = 0
            for j in b.indices {
                let above = lengths[j + 1]
                lengths[j + 1] = b[j] == symbol ? diagonal + 1 : max(above, lengths[j])
                diagonal = above
            }
        }
        return lengths[b.count]
    }
}
