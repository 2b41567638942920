/// Cuts text into the pieces inside which bytes may merge.
///
/// A further split is one more `Split` case with its own `…End(in:from:to:)` scanner.
struct PreTokenizer: Sendable, Equatable {
    enum Split: Sendable, Equatable {
        /// No split: the text is one piece.
        case whole
        /// `'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`
        case gpt2
        /// That of Llama 3 and Qwen2, which differ in how many digits go together: see `llama3End`.
        case llama3(maxDigits: Int)
    }

    var split: Split
    /// Each `\p{N}` is cut out alone first, and the split sees what lies between as texts of their own.
    var isolatesDigits = false
    /// A space goes before each text that does not begin with one, before it is split.
    var addsPrefixSpace = false

    /// Calls `body` with each piece of `text[range]`, in order: a buffer and the piece's range in it.
    /// `text` is valid UTF-8 and `range` cuts no character.
    @inline(__always)
    func forEachPiece(in text: [UInt8], _ range: Range<Int>, _ body: ([UInt8], Range<Int>) -> Void) {
        let classes = UnicodeClasses.shared
        guard isolatesDigits else {
            splitText(text, range, classes, body)
            return
        }
        var position = range.lowerBound
        var textStart = position
        while position < range.upperBound {
            let next = classes.character(in: text, at: position)
            if next.class == .number {
                splitText(text, textStart..<position, classes, body)
                splitText(text, position..<position + next.length, classes, body)
                textStart = position + next.length
            }
            position += next.length
        }
        splitText(text, textStart..<range.upperBound, classes, body)
    }

    private func splitText(
        _ text: [UInt8], _ range: Range<Int>, _ classes: UnicodeClasses, _ body: ([UInt8], Range<Int>) -> Void
    ) {
        guard !range.isEmpty else { return }
        if addsPrefixSpace, text[range.lowerBound] != Self.space {
            let prefixed = [Self.space] + text[range]
            splitPrefixed(prefixed, 0..<prefixed.count, classes, body)
        } else {
            splitPrefixed(text, range, classes, body)
        }
    }

    private func splitPrefixed(
        _ text: [UInt8], _ range: Range<Int>, _ classes: UnicodeClasses, _ body: ([UInt8], Range<Int>) -> Void
    ) {
        switch split {
        case .whole: body(text, range)
        case .gpt2: forEachPiece(of: range, body, text) { Self.gpt2End(in: text, from: $0, to: $1, classes) }
        case .llama3(let maxDigits):
            forEachPiece(of: range, body, text) {
                Self.llama3End(in: text, from: $0, to: $1, maxDigits: maxDigits, classes)
            }
        }
    }

    @inline(__always)
    private func forEachPiece(
        of range: Range<Int>, _ body: ([UInt8], Range<Int>) -> Void, _ text: [UInt8], end: (Int, Int) -> Int
    ) {
        var position = range.lowerBound
        while position < range.upperBound {
            let next = end(position, range.upperBound)
            body(text, position..<next)
            position = next
        }
    }

    static let space = UInt8(ascii: " ")
}
