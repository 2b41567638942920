import Reporting

/// The text of a progress bar: written over in place on a terminal, else a line every few seconds.
struct ProgressBar {
    let label: String
    private(set) var done = 0
    /// Whether an unfinished line stands on the terminal.
    private(set) var isOnScreen = false
    /// Width of the terminal; nil for plain lines.
    private let columns: Int?
    private var estimator: ProgressEstimator
    private var lastShown: Double?

    init(label: String, total: Int, columns: Int?, at now: Double) {
        self.label = label
        self.columns = columns
        estimator = ProgressEstimator(total: total, at: now)
    }

    /// What to write now; nil if it is too early for the next line. The first two and the last are always shown.
    mutating func update(done: Int, detail: String, at now: Double) -> String? {
        self.done = done
        estimator.update(done: done, at: now)
        let interval = columns == nil ? 5 : 0.2
        if let lastShown, now - lastShown < interval, done > 1, done < estimator.total { return nil }
        lastShown = now
        var parts = ["\(label) \(done)/\(estimator.total)"]
        let left = done < estimator.total ? estimator.secondsLeft.map { "ETA \(Human.duration($0))" } : nil
        guard let columns else {
            let line = (parts + [detail, left ?? ""]).filter { !$0.isEmpty }.joined(separator: "  ")
            return line + "\n"
        }
        // What is cut off where the terminal is narrow comes last.
        parts.insert(Self.bar(estimator.fraction), at: 0)
        let line = (parts + [left ?? "", detail]).filter { !$0.isEmpty }.joined(separator: "  ")
        isOnScreen = true
        return "\r\(line.prefix(max(1, columns - 1)))\u{1B}[K"
    }

    private static func bar(_ fraction: Double) -> String {
        let width = 16
        let full = Int(fraction * Double(width))
        return "[" + String(repeating: "=", count: full) + String(repeating: " ", count: width - full) + "]"
    }
}
