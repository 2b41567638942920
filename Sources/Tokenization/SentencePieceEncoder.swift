/// BPE over characters, as SentencePiece does it: neighbours merge wherever they make a token, and a character without
/// a token becomes the tokens of its bytes.
struct SentencePieceEncoder: Sendable {
    let vocabulary: Vocabulary
    private let merges: MergeTable
    /// byte → its token `<0xNN>`.
    private let byteTokens: [Int32]
    /// Characters that are no tokens but parts of some: ids beyond the vocabulary while a text is merged.
    private let partials: Partials

    private struct Partials: Sendable {
        var ids: [[UInt8]: Int32] = [:]
        var characters: [[UInt8]] = []
    }

    /// `scores`: one per id; of two possible merges that of the higher score goes first, of equal ones the
    /// leftmost.
    init(vocabulary: Vocabulary, scores: [Float], file: String) throws(TokenizationError) {
        for (id, score) in scores.enumerated() where !score.isFinite {
            throw Self.damaged(file, "the score of token \(id) is \(score)", "a finite number")
        }
        let order = Set(scores).sorted(by: >)
        let ranks = Dictionary(uniqueKeysWithValues: zip(order, UInt32(0)...))
        var partials = Partials()
        var rules: [MergeTable.Rule] = []
        for id in 0..<Int32(vocabulary.count) {
            guard [.normal, .added].contains(vocabulary.kinds[Int(id)]) else { continue }
            let token = Array(vocabulary.bytes(of: id))
            guard token.count <= Self.longestToken else {
                throw Self.damaged(
                    file, "token \(id) has \(token.count) bytes", "at most \(Self.longestToken) in a token")
            }
            for middle in token.indices.dropFirst() where token[middle] & 0xC0 != 0x80 {
                func part(_ range: Range<Int>) -> Int32? {
                    if let id = vocabulary.id(of: token, range) { return id }
                    // One character: no second one begins inside.
                    let isOne = token[range].dropFirst().allSatisfy { $0 & 0xC0 == 0x80 }
                    return isOne ? Self.partial(Array(token[range]), vocabulary.count, &partials) : nil
                }
                guard let left = part(0..<middle), let right = part(middle..<token.count) else { continue }
                rules.append(.init(left: left, right: right, result: id, rank: ranks[scores[Int(id)]] ?? .max - 1))
            }
        }
        try self.init(vocabulary: vocabulary, rules: rules, partials: partials, file: file)
    }

    /// Bytes of a token, of which every cut in two is looked up. SentencePiece makes none of more than 64 or so.
    private static let longestToken = 1024

    private static func damaged(_ file: String, _ found: String, _ expected: String) -> TokenizationError {
        TokenizationError(file: file, found: found, expected: expected, hint: "the file is damaged; fetch it again")
    }

    /// `pairs`: token texts, most important first, as `tokenizer.json` lists them.
    init(vocabulary: Vocabulary, pairs: [(Substring, Substring)], file: String) throws(TokenizationError) {
        var rules: [MergeTable.Rule] = []
        rules.reserveCapacity(pairs.count)
        for (index, pair) in pairs.enumerated() {
            var buffer: [UInt8] = []
            SpaceMark.append(pair.0.utf8, to: &buffer)
            let middle = buffer.count
            SpaceMark.append(pair.1.utf8, to: &buffer)
            func token(_ range: Range<Int>, _ text: Substring) throws(TokenizationError) -> Int32 {
                if let id = vocabulary.id(of: buffer, range) { return id }
                throw BytePairEncoder.unknown(text, index, file)
            }
            rules.append(
                .init(
                    left: try token(0..<middle, pair.0), right: try token(middle..<buffer.count, pair.1),
                    result: try token(0..<buffer.count, pair.0 + pair.1), rank: UInt32(index)))
        }
        try self.init(vocabulary: vocabulary, rules: rules, partials: Partials(), file: file)
    }

    private init(
        vocabulary: Vocabulary, rules: [MergeTable.Rule], partials: Partials, file: String
    ) throws(TokenizationError) {
        self.vocabulary = vocabulary
        self.partials = partials
        merges = MergeTable(rules)
        var byteTokens = [Int32](repeating: -1, count: 256)
        for (id, kind) in vocabulary.kinds.enumerated() where kind == .byte {
            if let byte = vocabulary.bytes(of: Int32(id)).first { byteTokens[Int(byte)] = Int32(id) }
        }
        if let missing = byteTokens.firstIndex(of: -1) {
            throw TokenizationError(
                file: file, found: "no token for the byte \(missing)", expected: "256 tokens <0x00> … <0xFF>",
                hint: "only SentencePiece vocabularies with byte fallback are supported; use another model")
        }
        self.byteTokens = byteTokens
    }

    private static func partial(_ character: [UInt8], _ first: Int, _ partials: inout Partials) -> Int32 {
        if let id = partials.ids[character] { return id }
        let id = Int32(first + partials.characters.count)
        partials.ids[character] = id
        partials.characters.append(character)
        return id
    }

    /// Appends the ids of one stretch of text, in which a space is a space, to `scratch.output`.
    func encode(_ text: [UInt8], _ range: Range<Int>, _ scratch: inout MergeScratch) {
        scratch.begin()
        var position = range.lowerBound
        while position < range.upperBound {
            let character = position..<position + Self.length(text[position])
            if let id = vocabulary.id(of: text, character) {
                scratch.append(id)
            } else if !partials.ids.isEmpty, let id = partials.ids[Array(text[character])] {
                scratch.append(id)
            } else {
                for byte in text[character] { scratch.append(byteTokens[Int(byte)]) }
            }
            position = character.upperBound
        }
        scratch.merge(merges)
        scratch.forEachSymbol { output, id in
            if Int(id) < vocabulary.count {
                output.append(id)
            } else {
                for byte in partials.characters[Int(id) - vocabulary.count] { output.append(byteTokens[Int(byte)]) }
            }
        }
    }

    /// Bytes of the character that begins with `first`, in valid UTF-8.
    private static func length(_ first: UInt8) -> Int {
        first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4
    }
}
