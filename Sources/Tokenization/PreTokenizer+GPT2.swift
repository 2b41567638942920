extension PreTokenizer {
    /// End of the GPT-2 piece that starts at `start`, in a text that ends at `end`.
    ///
    /// The regular expression is that of Radford et al. 2019 (`encoder.py`); its alternatives are tried in order.
    static func gpt2End(in text: [UInt8], from start: Int, to end: Int, _ classes: UnicodeClasses) -> Int {
        if text[start] == UInt8(ascii: "'") {
            let length = contractionLength(text, start + 1, end)
            if length > 0 { return start + 1 + length }
        }
        let first = classes.character(in: text, at: start)
        var position = start + first.length
        var run = first.class
        // ` ?` of the next three alternatives: one U+0020, if a character that is no white space follows.
        if text[start] == space, position < end {
            let second = classes.character(in: text, at: position)
            if second.class != .space {
                run = second.class
                position += second.length
            }
        }
        var last = start
        while position < end {
            let next = classes.character(in: text, at: position)
            if next.class != run { break }
            last = position
            position += next.length
        }
        // `\s+(?!\S)`: white space before a word leaves its last character to the word.
        if run == .space, position < end, last > start { return last }
        return position
    }

    /// Length of `s`, `t`, `m`, `d`, `re`, `ve` or `ll` at `position`; 0 if there is none.
    static func contractionLength(_ text: [UInt8], _ position: Int, _ end: Int) -> Int {
        guard position < end else { return 0 }
        switch text[position] {
        case UInt8(ascii: "s"), UInt8(ascii: "t"), UInt8(ascii: "m"), UInt8(ascii: "d"): return 1
        default: break
        }
        guard position + 1 < end else { return 0 }
        switch (text[position], text[position + 1]) {
        case (UInt8(ascii: "r"), UInt8(ascii: "e")), (UInt8(ascii: "v"), UInt8(ascii: "e")),
            (UInt8(ascii: "l"), UInt8(ascii: "l")):
            return 2
        default: return 0
        }
    }
}
