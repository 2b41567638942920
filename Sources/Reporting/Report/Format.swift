import Foundation

/// Numbers and text as the report shows them.
enum Format {
    /// At most four significant digits: `35.41`, `0.0015`, `1.2e-07`.
    static func short(_ value: Double) -> String { String(format: "%.4g", value) }

    /// Two significant digits, for spreads: `0.81`, `5.6`, `120`.
    static func brief(_ value: Double) -> String { String(format: abs(value) >= 100 ? "%.0f" : "%.2g", value) }

    /// A number beside an axis: `0.05`, `20k`.
    static func tick(_ value: Double) -> String { abs(value) >= 1000 ? short(value / 1000) + "k" : short(value) }

    /// `22.3%`, of a share.
    static func percent(_ share: Double) -> String { short(share * 100) + "%" }

    static func fixed(_ value: Double, _ digits: Int) -> String { String(format: "%.\(digits)f", value) }

    /// Text between tags and in attributes.
    static func escaped(_ text: String) -> String {
        text.replacing("&", with: "&amp;").replacing("<", with: "&lt;").replacing(">", with: "&gt;")
            .replacing("\"", with: "&quot;")
    }

    /// `of 3 runs`, `of 1 run`.
    static func count(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }
}

/// Mean, spread and median of a few values.
enum Statistics {
    static func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(max(1, values.count)) }

    /// Standard deviation of a sample; nil for fewer than two values.
    static func deviation(_ values: [Double]) -> Double? {
        guard values.count > 1 else { return nil }
        let mean = mean(values)
        return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count - 1)).squareRoot()
    }

    /// The middle value, the mean of the middle two of an even number; nil for none.
    static func median(_ values: [Double]) -> Double? {
        let sorted = values.sorted()
        guard !sorted.isEmpty else { return nil }
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }
}
