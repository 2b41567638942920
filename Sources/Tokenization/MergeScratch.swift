/// Buffers in which neighbouring symbols become one, the most important merge first, leftmost first; one `encode` call
/// reuses them for all its pieces.
struct MergeScratch {
    /// Ids of the text so far.
    var output: [Int32] = []
    private var symbols: [Symbol] = []
    /// Binary heap, least first: rank ≪ 32 | index of the left symbol.
    private var heap: [UInt64] = []

    private struct Symbol {
        var id: Int32
        /// Indices of the neighbours; −1 at the ends.
        var previous: Int32
        var next: Int32
        /// What this symbol and the next one become. Entries of the heap with another rank are out of date.
        var merge: MergeTable.Merge
    }

    /// Starts a new piece.
    mutating func begin() {
        symbols.removeAll(keepingCapacity: true)
        heap.removeAll(keepingCapacity: true)
    }

    var lastSymbol: Int32? { symbols.last?.id }

    @inline(__always)
    mutating func append(_ id: Int32) {
        let count = Int32(symbols.count)
        symbols.append(Symbol(id: id, previous: count - 1, next: count + 1, merge: .none))
    }

    /// Makes all merges of the piece.
    mutating func merge(_ merges: MergeTable) {
        guard !symbols.isEmpty else { return }
        symbols[symbols.count - 1].next = -1
        for index in symbols.indices.dropLast() { findMerge(at: index, merges) }
        while let index = nextMerge() {
            let right = Int(symbols[index].next)
            let after = symbols[right].next
            symbols[index].id = symbols[index].merge.result
            symbols[index].next = after
            symbols[right].merge = .none
            if after >= 0 { symbols[Int(after)].previous = Int32(index) }
            findMerge(at: index, merges)
            let before = symbols[index].previous
            if before >= 0 { findMerge(at: Int(before), merges) }
        }
    }

    /// Calls `body` with the output and each symbol that is left, in order.
    @inline(__always)
    mutating func forEachSymbol(_ body: (inout [Int32], Int32) -> Void) {
        var index: Int32 = symbols.isEmpty ? -1 : 0
        while index >= 0 {
            body(&output, symbols[Int(index)].id)
            index = symbols[Int(index)].next
        }
    }

    /// Looks up what the symbol at `index` and its successor become, and queues it.
    @inline(__always)
    private mutating func findMerge(at index: Int, _ merges: MergeTable) {
        let next = symbols[index].next
        let merge = next < 0 ? .none : merges.merge(symbols[index].id, symbols[Int(next)].id)
        symbols[index].merge = merge
        if merge.rank != .max { push(UInt64(merge.rank) << 32 | UInt64(index)) }
    }

    /// The left symbol of the merge to make now; nil when none is left.
    @inline(__always)
    private mutating func nextMerge() -> Int? {
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
