import Datasets
import Tokenization

/// A row as text, with what is learned marked: in colour, or between ⟦ and ⟧.
struct RowRenderer {
    let tokenizer: Tokenizer
    let hasColours: Bool

    func render(_ row: EncodedRow) -> String {
        var text = ""
        var start = 0
        while start < row.tokens.count {
            let isTarget = row.isTarget[start]
            let end = row.isTarget[start...].firstIndex { $0 != isTarget } ?? row.tokens.count
            let part = tokenizer.decode(Array(row.tokens[start..<end]), skipSpecial: false)
            text += isTarget ? mark(part) : part
            start = end
        }
        return text
    }

    private func mark(_ text: String) -> String {
        hasColours ? "\u{1B}[32m\(text)\u{1B}[0m" : "⟦\(text)⟧"
    }
}
