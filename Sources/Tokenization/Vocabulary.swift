/// What each token id stands for, and the way back from bytes to ids.
struct Vocabulary: Sendable {
    enum Kind: UInt8, Sendable {
        /// Made by merging bytes.
        case normal
        /// Cut out of the text before anything else, and part of the text when decoded.
        case added
        /// Cut out of the text too, but a mark: `decode` can leave it out.
        case special
        /// One byte of a character that has no token (SentencePiece's `<0x0A>`).
        case byte
        /// Holds a place; never in a text.
        case unused
    }

    /// How the texts of normal tokens are written.
    enum Spelling: Sendable {
        /// GPT-2's: each byte is one character.
        case byteAlphabet
        /// SentencePiece's: UTF-8, with `▁` for a space.
        case sentencePiece
    }

    /// One per id.
    let kinds: [Kind]
    /// The bytes of all tokens, one after the other; token `id` is `bytes[offsets[id]..<offsets[id + 1]]`.
    private let bytes: [UInt8]
    private let offsets: [Int]
    /// Open-addressing hash table of the tokens that merging can make: an id, or −1.
    private var slots: [Int32]

    var count: Int { kinds.count }

    /// - Throws: an error for an empty token, and for two normal tokens with the same text.
    init(
        _ tokens: [(text: String, kind: Kind)], spelling: Spelling = .byteAlphabet, file: String
    ) throws(TokenizationError) {
        var bytes: [UInt8] = []
        var offsets = [0]
        var mergeable: [Int32] = []
        var addedMergeable: [Int32] = []
        offsets.reserveCapacity(tokens.count + 1)
        for (id, token) in tokens.enumerated() {
            guard !token.text.isEmpty else {
                throw TokenizationError(
                    file: file, found: "token \(id) of \(tokens.count) has no text", expected: "a text for every id",
                    hint: "the vocabulary is damaged; fetch the file again")
            }
            switch (token.kind, spelling) {
            case (.normal, .byteAlphabet):
                // A text outside the byte alphabet stands for itself and cannot come out of merging bytes.
                if ByteAlphabet.append(token.text, to: &bytes) {
                    mergeable.append(Int32(id))
                } else {
                    bytes += token.text.utf8
                }
            case (.normal, .sentencePiece):
                SpaceMark.append(token.text.utf8, to: &bytes)
                mergeable.append(Int32(id))
            case (.byte, _):
                guard let byte = SpaceMark.byte(of: token.text) else {
                    throw TokenizationError(
                        file: file, found: "byte token \(id) is \"\(token.text)\"", expected: "<0x00> … <0xFF>",
                        hint: "the vocabulary is damaged; fetch the file again")
                }
                bytes.append(byte)
            case (.added, _), (.special, _), (.unused, _):
                if spelling == .sentencePiece && token.kind == .added {
                    SpaceMark.append(token.text.utf8, to: &bytes)
                } else {
                    bytes += token.text.utf8
                }
                if token.kind == .added { addedMergeable.append(Int32(id)) }
            }
            offsets.append(bytes.count)
        }
        self.kinds = tokens.map(\.kind)
        self.bytes = bytes
        self.offsets = offsets
        var capacity = 16
        while capacity < 2 * (mergeable.count + addedMergeable.count) { capacity *= 2 }
        slots = Array(repeating: -1, count: capacity)
        for id in mergeable {
            if let other = insert(id) {
                throw TokenizationError(
                    file: file, found: "tokens \(other) and \(id) are both \"\(tokens[Int(id)].text)\"",
                    expected: "each token once", hint: "the vocabulary is damaged; fetch the file again")
            }
        }
        // Merges may name user-defined tokens; a normal token of the same bytes goes first.
        for id in addedMergeable { _ = insert(id) }
    }

    func bytes(of id: Int32) -> ArraySlice<UInt8> { bytes[offsets[Int(id)]..<offsets[Int(id) + 1]] }

    /// The token that merging makes of `text[range]` if it makes one: normal tokens and user-defined ones.
    @inline(__always)
    func id(of text: [UInt8], _ range: Range<Int>) -> Int32? {
        var slot = Self.hash(text, range) & (slots.count - 1)
        while slots[slot] >= 0 {
            let id = slots[slot]
            if equals(id, text, range) { return id }
            slot = (slot + 1) & (slots.count - 1)
        }
        return nil
    }

    /// Puts `id` into the table; returns the token of the same bytes if it was there already.
    private mutating func insert(_ id: Int32) -> Int32? {
        let range = offsets[Int(id)]..<offsets[Int(id) + 1]
        var slot = Self.hash(bytes, range) & (slots.count - 1)
        while slots[slot] >= 0 {
            if equals(slots[slot], bytes, range) { return slots[slot] }
            slot = (slot + 1) & (slots.count - 1)
        }
        slots[slot] = id
        return nil
    }

    @inline(__always)
    private func equals(_ id: Int32, _ text: [UInt8], _ range: Range<Int>) -> Bool {
        let start = offsets[Int(id)]
        guard offsets[Int(id) + 1] - start == range.count else { return false }
        for index in 0..<range.count where bytes[start + index] != text[range.lowerBound + index] { return false }
        return true
    }

    /// FNV-1a with a final mix.
    @inline(__always)
    private static func hash(_ text: [UInt8], _ range: Range<Int>) -> Int {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for index in range { hash = (hash ^ UInt64(text[index])) &* 0x100_0000_01B3 }
        hash ^= hash >> 32
        return Int(truncatingIfNeeded: hash & 0x7FFF_FFFF)
    }
}
