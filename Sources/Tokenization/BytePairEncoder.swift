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

    /// - Parameters:
    ///   - merges: pairs of token texts in the byte alphabet, most important first.
    ///   - ignoresMerges: a piece that is a token becomes that token, whatever merging would make of it.
    init(
        vocabulary: Vocabulary, merges: [(Substring, Substring)], unknownToken: Int32?, fusesUnknown: Bool,
        ignoresMerges: Bool, file: String
    ) throws(TokenizationError) {
        self.vocabulary = vocabulary
        self.unknownToken = unknownToken
        self.fusesUnknown = fusesUnknown
        byteTokens = (0...255).map { vocabulary.id(of: [$0], 0..<1) ?? unknownToken ?? Self.dropped }
        var rules: [(left: Int32, right: Int32, result: Int32)] = []
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
            rules.append((left, right, result))
        }
        self.merges = MergeTable(rules)
        isWhole = Array(repeating: ignoresMerges, count: vocabulary.count)
        if !ignoresMerges { findWholeTokens() }
    }

    private static func unknown(_ text: some StringProtocol, _ index: Int, _ file: String) -> TokenizationError {
        TokenizationError(
            file: file, found: "merges[\(index)] names \"\(text)\", which is not in the vocabulary",
            expected: "merges of tokens that make a token", hint: "vocabulary and merges belong to different models")
    }

    private mutating func findWholeTokens() {
        var scratch = Scratch()
        for id in 0..<Int32(vocabulary.count) where vocabulary.kinds[Int(id)] != .special {
            let bytes = Array(vocabulary.bytes(of: id))
            scratch.output.removeAll(keepingCapacity: true)
            merge(bytes, 0..<bytes.count, &scratch)
            isWhole[Int(id)] = scratch.output == [id]
        }
    }

    /// Buffers that one `encode` call reuses for all its pieces.
    struct Scratch {
        var output: [Int32] = []
        fileprivate var symbols: [Symbol] = []
        /// Binary heap, least first: rank ≪ 32 | index of the left symbol.
        fileprivate var heap: [UInt64] = []
    }

    fileprivate struct Symbol {
        var id: Int32
        /// Indices of the neighbours; −1 at the ends.
        var previous: Int32
        var next: Int32
        /// What this symbol and the next one become. Entries of the heap with another rank are out of date.
        var merge: MergeTable.Merge
    }

    /// Appends the ids of one piece to `scratch.output`.
    @inline(__always)
    func encode(_ text: [UInt8], _ piece: Range<Int>, _ scratch: inout Scratch) {
        if let id = vocabulary.id(of: text, piece), isWhole[Int(id)] {
            scratch.output.append(id)
        } else {
            merge(text, piece, &scratch)
        }
    }

    private func merge(_ text: [UInt8], _ piece: Range<Int>, _ scratch: inout Scratch) {
        scratch.symbols.removeAll(keepingCapacity: true)
        scratch.heap.removeAll(keepingCapacity: true)
        for index in piece {
            let id = byteTokens[Int(text[index])]
            if id == Self.dropped { continue }
            if fusesUnknown, id == unknownToken, scratch.symbols.last?.id == id { continue }
            let count = Int32(scratch.symbols.count)
            scratch.symbols.append(Symbol(id: id, previous: count - 1, next: count + 1, merge: .none))
        }
        guard !scratch.symbols.isEmpty else { return }
        scratch.symbols[scratch.symbols.count - 1].next = -1
        for index in scratch.symbols.indices.dropLast() { scratch.findMerge(at: index, merges) }
        while let index = scratch.nextMerge() {
            let right = Int(scratch.symbols[index].next)
            let after = scratch.symbols[right].next
            scratch.symbols[index].id = scratch.symbols[index].merge.result
            scratch.symbols[index].next = after
            scratch.symbols[right].merge = .none
            if after >= 0 { scratch.symbols[Int(after)].previous = Int32(index) }
            scratch.findMerge(at: index, merges)
            let before = scratch.symbols[index].previous
            if before >= 0 { scratch.findMerge(at: Int(before), merges) }
        }
        var index: Int32 = 0
        while index >= 0 {
            scratch.output.append(scratch.symbols[Int(index)].id)
            index = scratch.symbols[Int(index)].next
        }
    }
}

extension BytePairEncoder.Scratch {
    /// Looks up what the symbol at `index` and its successor become, and queues it.
    @inline(__always)
    fileprivate mutating func findMerge(at index: Int, _ merges: MergeTable) {
        let next = symbols[index].next
        let merge = next < 0 ? .none : merges.merge(symbols[index].id, symbols[Int(next)].id)
        symbols[index].merge = merge
        if merge.rank != .max { push(UInt64(merge.rank) << 32 | UInt64(index)) }
    }

    /// The left symbol of the merge to make now; nil when none is left.
    @inline(__always)
    fileprivate mutating func nextMerge() -> Int? {
        while let entry = pop() {
            let index = Int(truncatingIfNeeded: entry & 0xFFFF_FFFF)
            if symbols[index].merge.rank == UInt32(truncatingIfNeeded: entry >> 32) { return index }
        }
        return nil
    }

    private mutating func push(_ entry: UInt64) {
        var child = heap.count
        heap.append(entry)
        while child > 0 {
            let parent = (child - 1) / 2
            guard entry < heap[parent] else { break }
            heap[child] = heap[parent]
            child = parent
        }
        heap[child] = entry
    }

    private mutating func pop() -> UInt64? {
        guard let first = heap.first, let last = heap.popLast() else { return nil }
        guard !heap.isEmpty else { return first }
        var parent = 0
        while true {
            var child = 2 * parent + 1
            guard child < heap.count else { break }
            if child + 1 < heap.count, heap[child + 1] < heap[child] { child += 1 }
            guard heap[child] < last else { break }
            heap[parent] = heap[child]
            parent = child
        }
        heap[parent] = last
        return first
    }
}
