/// A figure that evaluation can give.
public enum Metric: String, CaseIterable, Sendable {
    /// Corpus BLEU of the generated text.
    case bleu
    /// Corpus chrF2 of the generated text.
    case chrf
    /// Mean ROUGE-1, ROUGE-2 and ROUGE-L of the generated text.
    case rouge
    /// Share of rows whose own label is the likeliest of all labels.
    case accuracy
    /// Share of rows whose generated text is the completion.
    case exactMatch = "exact-match"
    /// Perplexity (and mean loss) of the reference completion.
    case perplexity

    /// Whether the model has to write text for it.
    public var needsGeneration: Bool { self != .perplexity && self != .accuracy }

    /// What is measured where nothing is asked for.
    public static let standard: [Metric] = [.bleu, .chrf, .perplexity]

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
