/// A figure that evaluation can give.
public enum Metric: String, CaseIterable, Sendable {
    /// Corpus BLEU of the generated text.
    case bleu
    /// Corpus chrF2 of the generated text.
    case chrf
    /// Perplexity (and mean loss) of the reference completion.
    case perplexity

    /// Whether the model has to write text for it.
    public var needsGeneration: Bool { self != .perplexity }

    /// Reads a list such as `bleu,chrf,perplexity`; order is kept, repetitions are dropped.
    public static func parse(_ list: String) throws(EvaluationError) -> [Metric] {
        var metrics: [Metric] = []
        for part in list.split(separator: ",", omittingEmptySubsequences: false) {
            let name = part.filter { !$0.isWhitespace }.lowercased()
            guard let metric = Metric(rawValue: name) else {
                throw EvaluationError(
                    subject: "--metrics", found: name.isEmpty ? "an empty name" : "unknown metric \"\(name)\"",
                    expected: "a comma-separated list of " + allCases.map(\.rawValue).joined(separator: ", "),
                    hint: "for example --metrics bleu,chrf")
            }
            if !metrics.contains(metric) { metrics.append(metric) }
        }
        return metrics
    }
}
