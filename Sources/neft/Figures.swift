import Foundation

/// Numbers for lines that are read while they pass.
enum Figures {
    /// Four significant digits, with an exponent where it is shorter: `1.234`, `1.5e-03`.
    static func short(_ value: Double) -> String { String(format: "%.4g", value) }

    /// `1 row`, `2 rows`.
    static func count(_ count: Int, _ noun: String) -> String { "\(count) \(noun)\(count == 1 ? "" : "s")" }

    /// `3%`.
    static func percent(_ share: Double) -> String { String(format: "%.0f%%", share * 100) }
}
