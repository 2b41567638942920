extension PreTokenizer {
    /// End of the piece that starts at `start`, by the regular expression of Llama 3 and Qwen2, whose alternatives are
    /// tried in order:
    /// `(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,n}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`
    /// `maxDigits`: n, 3 for Llama 3 and 1 for Qwen2.
    static func llama3End(
        in text: [UInt8], from start: Int, to end: Int, maxDigits: Int, _ classes: UnicodeClasses
    ) -> Int {
        if text[start] == UInt8(ascii: "'") {
            let length = foldedContractionLength(text, start + 1, end)
            if length > 0 { return start + 1 + length }
        }
        let first = classes.character(in: text, at: start)
        let second = start + first.length
        switch first.class {
        case .letter: return endOfRun(.letter, in: text, from: second, to: end, classes)
        case .number:
            var position = second
            for _ in 1..<maxDigits where position < end {
                let next = classes.character(in: text, at: position)
                guard next.class == .number else { break }
                position += next.length
            }
            return position
        case .other, .space: break
        }
        let next = second < end ? classes.character(in: text, at: second) : (class: .space, length: 0)
        // One character that is no letter, number or line end goes with the letters after it.
        if next.class == .letter, !isLineEnd(text[start]) {
            return endOfRun(.letter, in: text, from: second, to: end, classes)
        }
        if first.class == .other || (text[start] == space && next.class == .other) {
            var position = endOfRun(.other, in: text, from: second, to: end, classes)
            while position < end, isLineEnd(text[position]) { position += 1 }
            return position
        }
        return whiteSpaceEnd(in: text, from: start, to: end, classes)
    }

    /// `\s*[\r\n]+|\s+(?!\S)|\s+`: up to the last line end; else all before a word but the last character.
    private static func whiteSpaceEnd(in text: [UInt8], from start: Int, to end: Int, _ classes: UnicodeClasses) -> Int
    {
        var position = start
        var last = start
        var afterLineEnd = start
        while position < end {
            let next = classes.character(in: text, at: position)
            guard next.class == .space else { break }
            last = position
            position += next.length
            if isLineEnd(text[last]) { afterLineEnd = position }
        }
        if afterLineEnd > start { return afterLineEnd }
        return position < end && last > start ? last : position
    }

    private static func endOfRun(
        _ kind: UnicodeClasses.Class, in text: [UInt8], from start: Int, to end: Int, _ classes: UnicodeClasses
    ) -> Int {
        var position = start
        while position < end {
            let next = classes.character(in: text, at: position)
            guard next.class == kind else { break }
            position += next.length
        }
        return position
    }

    private static func isLineEnd(_ byte: UInt8) -> Bool { byte == 0x0A || byte == 0x0D }

    /// Like `contractionLength`, in either case. `ſ` (U+017F) is an `s` where case does not count.
    private static func foldedContractionLength(_ text: [UInt8], _ position: Int, _ end: Int) -> Int {
        guard position < end else { return 0 }
        if text[position] == 0xC5, position + 1 < end, text[position + 1] == 0xBF { return 2 }
        let folded = (position..<min(position + 2, end)).map { text[$0] | 0x20 }
        return contractionLength(folded, 0, folded.count)
    }
}
