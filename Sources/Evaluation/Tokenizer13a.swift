/// The word tokenizer of mteval-v13a as sacreBLEU implements it, on Unicode code points.
///
/// Swift's `Character` groups code points (`\r\n`, combining marks, emoji sequences), which the original does not do, so
/// everything here works on `Unicode.Scalar` values. Each function below is one rewriting rule of the original; they run
/// one after the other over the whole line, because a later rule sees the spaces an earlier one put in.
enum Tokenizer13a {
    /// A line as code points.
    typealias Line = [UInt32]

    /// The tokens of `text`, each a non-empty list of code points.
    static func tokens(of text: String) -> [Line] {
        var line = Line(text.unicodeScalars.lazy.map(\.value))
        while let last = line.last, isSpace(last) { line.removeLast() }
        line = replacing("<skipped>", by: "", in: line)
        line = replacing("-\n", by: "", in: line)
        line = replacing("\n", by: " ", in: line)
        line = replacing("&quot;", by: "\"", in: line)
        line = replacing("&amp;", by: "&", in: line)
        line = replacing("&lt;", by: "<", in: line)
        line = replacing("&gt;", by: ">", in: line)
        line = [space] + line + [space]
        line = separatingPunctuation(line)
        line = separatingPairs(line, where: { !isDigit($0) && isPeriodOrComma($1) }, as: { [$0, space, $1, space] })
        line = separatingPairs(line, where: { isPeriodOrComma($0) && !isDigit($1) }, as: { [space, $0, space, $1] })
        line = separatingPairs(line, where: { isDigit($0) && $1 == dash }, as: { [$0, space, $1, space] })
        return line.split(whereSeparator: isSpace).map(Line.init)
    }

    /// What Python's `str.isspace` accepts, which is what `str.split()` and `str.rstrip()` cut at.
    static func isSpace(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x09...0x0D, 0x1C...0x20, 0x85, 0xA0, 0x1680, 0x2000...0x200A, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000: true
        default: false
        }
    }

    private static let space: UInt32 = 0x20
    private static let dash: UInt32 = 0x2D

    private static func isDigit(_ scalar: UInt32) -> Bool { (0x30...0x39).contains(scalar) }

    private static func isPeriodOrComma(_ scalar: UInt32) -> Bool { scalar == 0x2E || scalar == 0x2C }

    /// ASCII punctuation other than `' , - .`, and the space itself.
    private static func isPunctuation(_ scalar: UInt32) -> Bool {
        switch scalar {
        case 0x20...0x26, 0x28...0x2B, 0x2F, 0x3A...0x40, 0x5B...0x60, 0x7B...0x7E: true
        default: false
        }
    }

    private static func separatingPunctuation(_ line: Line) -> Line {
        var result = Line()
        result.reserveCapacity(line.count * 2)
        for scalar in line {
            if isPunctuation(scalar) { result += [space, scalar, space] } else { result.append(scalar) }
        }
        return result
    }

    /// Rewrites the pairs that match, from left to right without overlap: the second half of a pair that was rewritten is
    /// not looked at again as the first half of another.
    private static func separatingPairs(
        _ line: Line, where matches: (UInt32, UInt32) -> Bool, as rewritten: (UInt32, UInt32) -> Line
    ) -> Line {
        var result = Line()
        result.reserveCapacity(line.count + line.count / 4)
        var i = 0
        while i < line.count {
            if i + 1 < line.count, matches(line[i], line[i + 1]) {
                result += rewritten(line[i], line[i + 1])
                i += 2
            } else {
                result.append(line[i])
                i += 1
            }
        }
        return result
    }

    /// Every occurrence of `pattern`, left to right without overlap.
    private static func replacing(_ pattern: String, by replacement: String, in line: Line) -> Line {
        let pattern = Line(pattern.unicodeScalars.map(\.value))
        let replacement = Line(replacement.unicodeScalars.map(\.value))
        guard line.contains(pattern[0]) else { return line }
        var result = Line()
        result.reserveCapacity(line.count)
        var i = 0
        while i < line.count {
            if line[i] == pattern[0], line[i...].starts(with: pattern) {
                result += replacement
                i += pattern.count
            } else {
                result.append(line[i])
                i += 1
            }
        }
        return result
    }
}
