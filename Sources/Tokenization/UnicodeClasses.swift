/// The character classes that pre-tokenizers ask for: `\p{L}`, `\p{N}`, `\s`.
///
/// The table is that of Unicode 15.1, which llama.cpp uses, whatever the Swift runtime knows: a character assigned
/// later counts as `other`, so a text gives the same ids on every machine. `\s` is the property White_Space
/// (25 characters, U+0085, U+00A0, U+2028 and U+3000 among them), as in llama.cpp, Oniguruma and Rust.
struct UnicodeClasses: Sendable {
    enum Class: UInt8, Sendable { case other, letter, number, space }

    static let shared = UnicodeClasses()

    private static let version = (major: 15, minor: 1)
    /// Nothing above plane 3 is a letter, a number or a space.
    private static let end: UInt32 = 0x40000
    private static let pageBits: UInt32 = 8

    /// Code point ≫ 8 → index of its page.
    private let pageOf: [UInt16]
    /// Distinct pages of 256 classes, one after the other.
    private let pages: [Class]

    private init() {
        let pageSize = 1 << Self.pageBits
        var pageOf: [UInt16] = []
        var pages: [Class] = []
        var known: [[Class]: UInt16] = [:]
        for base in stride(from: 0, to: Self.end, by: pageSize) {
            let page = (base..<base + UInt32(pageSize)).map { Unicode.Scalar($0).map(Self.classify) ?? .other }
            let index = known[page] ?? UInt16(known.count)
            if known[page] == nil {
                known[page] = index
                pages += page
            }
            pageOf.append(index)
        }
        self.pageOf = pageOf
        self.pages = pages
    }

    private static func classify(_ scalar: Unicode.Scalar) -> Class {
        let properties = scalar.properties
        let found: Class
        switch properties.generalCategory {
        case .uppercaseLetter, .lowercaseLetter, .titlecaseLetter, .modifierLetter, .otherLetter: found = .letter
        case .decimalNumber, .letterNumber, .otherNumber: found = .number
        case .unassigned, .surrogate, .privateUse: return .other
        default: return properties.isWhitespace ? .space : .other
        }
        guard let age = properties.age, (age.major, age.minor) <= (version.major, version.minor) else { return .other }
        return found
    }

    @inline(__always)
    func classOf(_ codePoint: UInt32) -> Class {
        guard codePoint < Self.end else { return .other }
        let page = Int(pageOf[Int(codePoint >> Self.pageBits)])
        return pages[page << Int(Self.pageBits) | Int(codePoint & 0xFF)]
    }

    /// Class and byte length of the character at `position` of valid UTF-8.
    @inline(__always)
    func character(in text: [UInt8], at position: Int) -> (class: Class, length: Int) {
        let first = UInt32(text[position])
        if first < 0x80 { return (classOf(first), 1) }
        if first < 0xE0 { return (classOf((first & 0x1F) << 6 | continuation(text, position + 1)), 2) }
        if first < 0xF0 {
            let low = continuation(text, position + 1) << 6 | continuation(text, position + 2)
            return (classOf((first & 0x0F) << 12 | low), 3)
        }
        let low = continuation(text, position + 1) << 12 | continuation(text, position + 2) << 6
        return (classOf((first & 0x07) << 18 | low | continuation(text, position + 3)), 4)
    }

    @inline(__always)
    private func continuation(_ text: [UInt8], _ position: Int) -> UInt32 { UInt32(text[position]) & 0x3F }

    /// Start of the run of white space that ends at `end`, not before `limit`.
    func startOfSpaces(in text: [UInt8], endingAt end: Int, limit: Int) -> Int {
        var start = end
        while start > limit {
            var previous = start - 1
            while previous > limit, text[previous] & 0xC0 == 0x80 { previous -= 1 }
            guard character(in: text, at: previous).class == .space else { break }
            start = previous
        }
        return start
    }

    /// End of the run of white space that starts at `start`, not after `limit`.
    func endOfSpaces(in text: [UInt8], startingAt start: Int, limit: Int) -> Int {
        var end = start
        while end < limit {
            let next = character(in: text, at: end)
            guard next.class == .space else { break }
            end += next.length
        }
        return end
    }
}
