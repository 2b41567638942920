import Datasets
import Tokenization

/// A row as text, with what is learned marked: in colour, each token apart from its neighbours, or between ⟦ and ⟧.
struct RowRenderer {
    let tokenizer: Tokenizer
    let hasColours: Bool

    /// Of context and of what is learned; two of each, in turn.
    private static let colours = (context: ["38;5;244", "38;5;250"], target: ["30;48;5;114", "30;48;5;157"])

    func render(_ row: EncodedRow) -> String { hasColours ? coloured(row) : marked(row) }

    private func marked(_ row: EncodedRow) -> String {
        var text = ""
        var start = 0
        while start < row.tokens.count {
            let isTarget = row.isTarget[start]
            let end = row.isTarget[start...].firstIndex { $0 != isTarget } ?? row.tokens.count
            let part = tokenizer.decode(Array(row.tokens[start..<end]), skipSpecial: false, isStart: start == 0)
            text += isTarget ? "⟦\(part)⟧" : part
            start = end
        }
        return text
    }

    private func coloured(_ row: EncodedRow) -> String {
        var text = ""
        for (index, token) in row.tokens.enumerated() {
            let colours = row.isTarget[index] ? Self.colours.target : Self.colours.context
            let start = "\u{1B}[\(colours[index % 2])m"
            // A background would go on to the end of the terminal's line.
            let lines = tokenizer.tokenText(token).split(separator: "\n", omittingEmptySubsequences: false)
            text += start + lines.joined(separator: "↵\u{1B}[0m\n\(start)") + "\u{1B}[0m"
        }
        return text
    }
}
