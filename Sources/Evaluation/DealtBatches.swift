import Collectives

/// Rows cut into batches without regard to the ranks, then dealt to the ranks in turn: batch `b` to rank `b % size`.
///
/// A batch is therefore computed in the same shape, and gives the same bits, whatever the number of ranks.
struct DealtBatches: Equatable {
    /// Row numbers of each batch; every row occurs once.
    let batches: [[Int]]

    /// Batches in row order of at most `maxTokens` tokens; a longer row is a batch of its own.
    init(lengths: [Int], maxTokens: Int) {
        var batches: [[Int]] = []
        var tokens = 0
        for (row, length) in lengths.enumerated() {
            if batches.isEmpty || tokens + length > maxTokens {
                batches.append([])
                tokens = 0
            }
            batches[batches.count - 1].append(row)
            tokens += length
        }
        self.batches = batches
    }

    /// Batches of at most `maxRows` rows of similar length, the longest first: memory that does not suffice shows at
    /// once, and what is left at the end is short.
    init(lengths: [Int], maxRows: Int) {
        let order = lengths.indices.sorted { (lengths[$0], $1) > (lengths[$1], $0) }
        batches = stride(from: 0, to: order.count, by: maxRows).map {
            Array(order[$0..<min($0 + maxRows, order.count)])
        }
    }

    /// The batches of one rank.
    func share(rank: Int, size: Int) -> [[Int]] {
        stride(from: rank, to: batches.count, by: size).map { batches[$0] }
    }

    /// What every row gave, in row order, on every rank.
    /// `own`: what the rows of this rank's share gave, in the order of the share.
    func gather(_ own: [[UInt8]], over communicator: any Communicator) -> [[UInt8]] {
        var message: [UInt8] = []
        for bytes in own {
            withUnsafeBytes(of: UInt64(bytes.count).littleEndian) { message += $0 }
            message += bytes
        }
        var result = [[UInt8]](repeating: [], count: batches.reduce(0) { $0 + $1.count })
        for (rank, message) in communicator.allGather(message).enumerated() {
            var rest = message[...]
            for row in share(rank: rank, size: communicator.size).joined() {
                precondition(rest.count >= 8, "DealtBatches: rank \(rank) sent less than its share")
                let length = Int(rest.prefix(8).reversed().reduce(UInt64(0)) { $0 << 8 | UInt64($1) })
                rest = rest.dropFirst(8)
                precondition(rest.count >= length, "DealtBatches: rank \(rank) sent less than its share")
                result[row] = Array(rest.prefix(length))
                rest = rest.dropFirst(length)
            }
            precondition(rest.isEmpty, "DealtBatches: rank \(rank) sent more than its share")
        }
        return result
    }
}

extension Communicator {
    /// The element-wise sum of every rank's `counts` (of one length), on every rank. Integers: exact in any order.
    func sum(_ counts: [Int]) -> [Int] {
        let message = counts.flatMap { count in withUnsafeBytes(of: Int64(count).littleEndian) { Array($0) } }
        var result = [Int](repeating: 0, count: counts.count)
        for bytes in allGather(message) {
            precondition(bytes.count == counts.count * 8, "sum: ranks disagree on the number of counts")
            bytes.withUnsafeBytes { raw in
                for i in result.indices {
                    result[i] += Int(Int64(littleEndian: raw.loadUnaligned(fromByteOffset: i * 8, as: Int64.self)))
                }
            }
        }
        return result
    }
}
