/// The tokens that are cut out of a text before it is split: marks such as `<|im_end|>` and user-defined words.
struct AddedTokens: Sendable {
    struct Entry: Sendable {
        let id: Int32
        let bytes: [UInt8]
        let isSpecial: Bool
        /// White space before or after the token belongs to it.
        var takesSpaceBefore = false
        var takesSpaceAfter = false
    }

    /// By first byte, the longest first.
    private let byFirstByte: [[Entry]]
    private let isEmpty: Bool

    init(_ entries: [Entry]) {
        var byFirstByte = [[Entry]](repeating: [], count: 256)
        for entry in entries {
            guard let first = entry.bytes.first else { continue }
            byFirstByte[Int(first)].append(entry)
        }
        self.byFirstByte = byFirstByte.map { $0.sorted { $0.bytes.count > $1.bytes.count } }
        isEmpty = entries.isEmpty
    }

    /// The token whose text is exactly `bytes`.
    func id(of bytes: [UInt8]) -> Int32? {
        guard let first = bytes.first else { return nil }
        return byFirstByte[Int(first)].first { $0.bytes == bytes }?.id
    }

    /// Calls `body` with the parts of `text[range]` in order: ordinary text (id nil) and added tokens.
    /// At each place the longest token wins; `includingSpecial: false` leaves special ones as ordinary text.
    func forEachPart(
        of text: [UInt8], _ range: Range<Int>, includingSpecial: Bool, _ body: (Range<Int>, Int32?) -> Void
    ) {
        var textStart = range.lowerBound
        var position = isEmpty ? range.upperBound : textStart
        while position < range.upperBound {
            let candidates = byFirstByte[Int(text[position])]
            let found = candidates.first {
                (includingSpecial || !$0.isSpecial) && matches($0.bytes, text, position, range.upperBound)
            }
            guard let found else {
                position += 1
                continue
            }
            let classes = UnicodeClasses.shared
            var start = position
            var end = position + found.bytes.count
            if found.takesSpaceBefore {
                start = classes.startOfSpaces(in: text, endingAt: start, limit: textStart)
            }
            if found.takesSpaceAfter {
                end = classes.endOfSpaces(in: text, startingAt: end, limit: range.upperBound)
            }
            if textStart < start { body(textStart..<start, nil) }
            body(start..<end, found.id)
            textStart = end
            position = end
        }
        if textStart < range.upperBound { body(textStart..<range.upperBound, nil) }
    }

    private func matches(_ bytes: [UInt8], _ text: [UInt8], _ position: Int, _ end: Int) -> Bool {
        guard bytes.count <= end - position else { return false }
        for index in bytes.indices where text[position + index] != bytes[index] { return false }
        return true
    }
}
