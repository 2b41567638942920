import Foundation

/// Finds the items of a JSON array and the lines on which they begin, without reading them.
struct ArrayScanner {
    enum Step: Equatable {
        case item(Range<Int>, line: Int)
        case end
        /// The item that begins on a line is longer than any may be.
        case tooLong(line: Int)
        /// The array does not end as one.
        case broken(line: Int)
    }

    private let data: Data
    private var position: Int
    private var line = 1
    private var isFirst = true

    private let longestItem: Int

    /// - Parameters:
    ///   - data: its first byte that is no white space is `[`.
    ///   - longestItem: in bytes.
    init(_ data: Data, longestItem: Int) {
        self.data = data
        self.longestItem = longestItem
        position = data.startIndex
        skipSpaces()
        position += 1
    }

    mutating func next() -> Step {
        skipSpaces()
        guard position < data.endIndex else { return .broken(line: line) }
        if isFirst, data[position] == UInt8(ascii: "]") { return end() }
        if !isFirst {
            if data[position] == UInt8(ascii: "]") { return end() }
            // What is no comma here belongs to the item before and has made it malformed.
            position += 1
            skipSpaces()
        }
        isFirst = false
        let (start, startLine) = (position, line)
        guard skipItem() else {
            return position - start > longestItem ? .tooLong(line: startLine) : .broken(line: line)
        }
        return .item(start..<position, line: startLine)
    }

    private mutating func end() -> Step {
        position += 1
        skipSpaces()
        return position == data.endIndex ? .end : .broken(line: line)
    }

    /// Goes to the comma or bracket after an item.
    private mutating func skipItem() -> Bool {
        var depth = 0
        var isText = false
        let end = min(data.endIndex, position + longestItem + 1)
        while position < end {
            let byte = data[position]
            if byte == 0x0A { line += 1 }
            if isText {
                if byte == UInt8(ascii: "\\") { position += 1 }
                if byte == UInt8(ascii: "\"") { isText = false }
            } else {
                switch byte {
                case UInt8(ascii: "\""): isText = true
                case UInt8(ascii: "{"), UInt8(ascii: "["): depth += 1
                case UInt8(ascii: "]") where depth == 0, UInt8(ascii: ",") where depth == 0: return true
                case UInt8(ascii: "}"), UInt8(ascii: "]"): depth -= 1
                default: break
                }
            }
            position += 1
        }
        return false
    }

    private mutating func skipSpaces() {
        while position < data.endIndex {
            switch data[position] {
            case 0x0A: line += 1
            case 0x20, 0x09, 0x0D: break
            default: return
            }
            position += 1
        }
    }
}
