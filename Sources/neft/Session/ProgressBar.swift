import Reporting

/// The text of a progress bar: written over in place on a terminal, else a line every few seconds.
struct ProgressBar {
    let label: String
    private(set) var done = 0
    /// Whether an unfinished line stands on the terminal.
    private(set) var isOnScreen = false
    private let isTerminal: Bool
    private var estimator: ProgressEstimator
    private var lastShown: Double?

    init(label: String, total: Int, isTerminal: Bool, at now: Double) {
        self.label = label
        self.isTerminal = isTerminal
        estimator = ProgressEstimator(total: total, at: now)
    }

    /// What to write now; nil if it is too early for the next line. The first and the last are always shown.
    mutating func update(done: Int, detail: String, at now: Double) -> String? {
        self.done = done
        estimator.update(done: done, at: now)
        let interval = isTerminal ? 0.2 : 5
        if let lastShown, now - lastShown < interval, done < estimator.total { return nil }
        lastShown = now
        var parts = ["\(label) \(done)/\(estimator.total)"]
        if isTerminal { parts.insert(Self.bar(estimator.fraction), at: 0) }
        if !detail.isEmpty { parts.append(detail) }
        if done < estimator.total, let left = estimator.secondsLeft { parts.append("ETA \(Human.duration(left))") }
        let line = parts.joined(separator: "  ")
        guard isTerminal else { return line + "\n" }
        isOnScreen = true
        return "\r\(line)\u{1B}[K"
    }

    private static func bar(_ fraction: Double) -> String {
        let width = 24
        let full = Int(fraction * Double(width))
        return "[" + String(repeating: "=", count: full) + String(repeating: " ", count: width - full) + "]"
    }
}
