/// Turns one piece of text into token ids by merging neighbours, most important merge first, leftmost first.
struct BytePairEncoder: Sendable {
    let vocabulary: Vocabulary
    private let merges: MergeTable
    /// byte → its token; `dropped` where the vocabulary has none and no unknown token stands in.
    private let byteTokens: [Int32]
    private let unknownToken: Int32?
    /// Several unknown bytes in a row give one unknown token.
    private let fusesUnknown: Bool
    /// Per id: merging this token's own bytes gives back this token, so that a piece equal to it needs no merging.
    private var isWhole: [Bool] = []

    private static let dropped: Int32 = -1

    /// `merges`: pairs of token texts in the byte alphabet, most important first.
    /// `ignoresMerges`: a piece that is a token becomes that token, whatever merging would make of it.
    init(
        vocabulary: Vocabulary, merges: [(Substring, Substring)], unknownToken: Int32?, fusesUnknown: Bool,
        ignoresMerges: Bool, file: String
    ) throws(TokenizationError) {
        self.vocabulary = vocabulary
        self.unknownToken = unknownToken
        self.fusesUnknown = fusesUnknown
        byteTokens = (0...255).map { vocabulary.id(of: [$0], 0..<1) ?? unknownToken ?? Self.dropped }
        var rules: [MergeTable.Rule] = []
        rules.reserveCapacity(merges.count)
        var buffer: [UInt8] = []
        for (index, merge) in merges.enumerated() {
            buffer.removeAll(keepingCapacity: true)
            guard ByteAlphabet.append(merge.0, to: &buffer) else {
                throw Self.unknown(merge.0, index, file)
            }
            let middle = buffer.count
            guard ByteAlphabet.append(merge.1, to: &buffer) else {
                throw Self.unknown(merge.1, index, file)
            }
            guard let left = vocabulary.id(of: buffer, 0..<middle) else { throw Self.unknown(merge.0, index, file) }
            guard let right = vocabulary.id(of: buffer, middle..<buffer.count) else {
                throw Self.unknown(merge.1, index, file)
            }
            guard let result = vocabulary.id(of: buffer, 0..<buffer.count) else {
                throw Self.unknown(merge.0 + merge.1, index, file)
            }
            rules.append(MergeTable.Rule(left: left, right: right, result: result, rank: UInt32(index)))
        }
        self.merges = MergeTable(rules)
        isWhole = Array(repeating: ignoresMerges, count: vocabulary.count)
        if !ignoresMerges { findWholeTokens() }
    }

    static func unknown(_ text: some StringProtocol, _ index: Int, _ file: String) -> TokenizationError {
        TokenizationError(
            file: file, found: "merges[\(index)] names \"\(text)\", which is not in the vocabulary",
            expected: "merges of tokens that make a token", hint: "vocabulary and merges belong to different models")
    }

    private mutating func findWholeTokens() {
        var scratch = MergeScratch()
        for id in 0..<Int32(vocabulary.count) where vocabulary.kinds[Int(id)] != .special {
            let bytes = Array(vocabulary.bytes(of: id))
            scratch.output.removeAll(keepingCapacity: true)
            merge(bytes, 0..<bytes.count, &scratch)
            isWhole[Int(id)] = scratch.output == [id]
        }
    }

    /// Appends the ids of one piece to `scratch.output`.
    @inline(__always)
    func encode(_ text: [UInt8], _ piece: Range<Int>, _ scratch: inout MergeScratch) {
        if let id = vocabulary.id(of: text, piece), isWhole[Int(id)] {
            scratch.output.append(id)
        } else {
            merge(text, piece, &scratch)
        }
    }

    private func merge(_ text: [UInt8], _ piece: Range<Int>, _ scratch: inout MergeScratch) {
        scratch.begin()
        for index in piece {
            let id = byteTokens[Int(text[index])]
            if id == Self.dropped { continue }
            if fusesUnknown, id == unknownToken, scratch.lastSymbol == id { continue }
            scratch.append(id)
        }
        scratch.merge(merges)
        scratch.forEachSymbol { $0.append($1) }
    }
}
