import Datasets
import Models

/// What a model answers to a few texts, to compare with what was made of it.
public struct ExportCheck {
    /// How far two models are from each other.
    public struct Difference: Sendable, Equatable {
        /// The largest of two logits.
        public let largest: Double
        /// Root mean square of the differences, divided by the standard deviation of the first model's logits.
        public let relative: Double
        /// Logits compared.
        public let count: Int
    }

    private let prompts: [[Int32]]
    private let reference: [[Float]]

    /// Texts in which tokenizers differ and models show what they know.
    public static let texts = [
        "The capital of France is Paris. 1 + 1 = 2, and 12345 is a number.",
        "  Spaces\n\n and\tlines;  x  12 == y[3] don't matter.",
        "Übergrößenträger, perché, 日本語 と ελληνικά 🙂.",
    ]

    /// `prompts`: tokens of each text; no more of them are used than the context holds.
    public init(_ model: Decoder, prompts: [[Int32]]) {
        self.prompts = prompts.filter { !$0.isEmpty }.map { Array($0.prefix(model.contextLength)) }
        reference = Self.logits(of: model, self.prompts)
    }

    /// How far `model` is from the first one; infinite where a logit of either is no finite number.
    public func difference(from model: Decoder) -> Difference {
        var (largest, squares, sum, squaresOfReference) = (0.0, 0.0, 0.0, 0.0)
        var count = 0
        for (first, second) in zip(reference, Self.logits(of: model, prompts)) {
            for (a, b) in zip(first, second) {
                let difference = Double(a) - Double(b)
                guard difference.isFinite else { return Difference(largest: .infinity, relative: .infinity, count: 0) }
                largest = max(largest, abs(difference))
                squares += difference * difference
                sum += Double(a)
                squaresOfReference += Double(a) * Double(a)
                count += 1
            }
        }
        let n = Double(max(count, 1))
        let variance = max(squaresOfReference / n - (sum / n) * (sum / n), .leastNormalMagnitude)
        return Difference(largest: largest, relative: (squares / n / variance).squareRoot(), count: count)
    }

    /// Logits at the last 16 places of each prompt.
    private static func logits(of model: Decoder, _ prompts: [[Int32]]) -> [[Float]] {
        prompts.map { tokens in
            let batch = PackedBatch(rows: [(tokens, Array(repeating: false, count: tokens.count))])
            let positions = (max(0, tokens.count - 16)..<tokens.count).map { Int32($0) }
            var logits = [Float](repeating: .nan, count: positions.count * model.vocabularySize)
            logits.withUnsafeMutableBufferPointer { model.logits(batch, positions: positions, into: $0) }
            return logits
        }
    }
}
