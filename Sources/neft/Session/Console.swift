import Foundation
import Reporting

/// What the user sees: notes and progress on standard error, the result on standard output, of rank 0 alone.
final class Console {
    /// Whether this rank prints.
    let isActive: Bool
    /// Leaves notes and progress out; warnings and errors stay.
    var isQuiet = false
    /// Width of the terminal on which standard error ends, where a line can be written over; nil where it does not.
    private let columns: Int?
    private var bar: ProgressBar?

    init(isActive: Bool, environment: [String: String]) {
        self.isActive = isActive
        columns = isActive ? Terminal.columns(STDERR_FILENO, environment: environment) : nil
    }

    /// Whether standard output may carry colours.
    var hasColours: Bool {
        let environment = ProcessInfo.processInfo.environment
        return columns != nil && isatty(STDOUT_FILENO) == 1 && environment["NO_COLOR"] == nil
    }

    /// One line for whoever watches.
    func note(_ text: String) {
        guard isActive, !isQuiet else { return }
        writeLine(text)
    }

    func warn(_ text: String) {
        guard isActive else { return }
        writeLine("neft: warning: \(text)")
    }

    /// An error; from any rank.
    static func error(_ text: String) { write("neft: error: \(text)\n", to: STDERR_FILENO) }

    /// A warning; from any rank and thread.
    static func warning(_ text: String) { write("neft: warning: \(text)\n", to: STDERR_FILENO) }

    /// A run that ends before its end, as it was asked to.
    func stopped(_ text: String) {
        guard isActive else { return }
        writeLine("neft: \(text)")
    }

    /// A line of the result.
    func result(_ text: String) {
        guard isActive else { return }
        clearBar()
        Self.write(text + "\n", to: STDOUT_FILENO)
    }

    /// The result as one document.
    func result(_ document: JSONValue) { result(document.text) }

    /// Shows how far a long piece of work is. A new label begins a new piece.
    /// `detail`: figures of this moment, after the bar.
    func progress(_ label: String, done: Int, total: Int, detail: String = "") {
        guard isActive, !isQuiet else { return }
        let now = ProcessInfo.processInfo.systemUptime
        if bar?.label != label || done < bar?.done ?? 0 {
            finishProgress()
            bar = ProgressBar(label: label, total: total, columns: columns, at: now)
        }
        if let text = bar?.update(done: done, detail: detail, at: now) { Self.write(text, to: STDERR_FILENO) }
        if done >= total { finishProgress() }
    }

    /// Ends the line of a progress bar, so that what follows begins on a new one.
    func finishProgress() {
        if bar?.isOnScreen == true { Self.write("\n", to: STDERR_FILENO) }
        bar = nil
    }

    private func writeLine(_ text: String) {
        clearBar()
        Self.write(text + "\n", to: STDERR_FILENO)
    }

    private func clearBar() {
        if bar?.isOnScreen == true { Self.write("\r\u{1B}[K", to: STDERR_FILENO) }
    }

    /// In one call where possible: lines of several ranks interleave otherwise.
    private static func write(_ text: String, to descriptor: Int32) {
        var rest = Array(text.utf8)[...]
        while !rest.isEmpty {
            let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
            if count < 0, errno == EINTR || errno == EAGAIN { continue }
            guard count > 0 else { return }
            rest = rest.dropFirst(count)
        }
    }
}
