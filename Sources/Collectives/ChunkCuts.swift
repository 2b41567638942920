/// The cuts of a buffer of any length into pieces whose length fits MPI's 32-bit counts.
struct ChunkCuts: Sequence, IteratorProtocol {
    private let count: Int
    private let chunk: Int
    private var offset = 0

    /// `chunk`: bytes per piece, at most `Int32.max`; the last one may be shorter.
    init(count: Int, chunk: Int) {
        precondition(count >= 0 && chunk > 0 && chunk <= Int(Int32.max), "ChunkCuts: \(count) bytes by \(chunk)")
        self.count = count
        self.chunk = chunk
    }

    mutating func next() -> (offset: Int, count: Int32)? {
        guard offset < count else { return nil }
        let length = Swift.min(chunk, count - offset)
        defer { offset += length }
        return (offset, Int32(length))
    }
}
