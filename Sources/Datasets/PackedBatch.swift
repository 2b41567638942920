/// Rows laid end to end without padding: one micro-batch for the model.
///
/// Row `i` occupies tokens `rowStarts[i] ..< rowStarts[i + 1]`; attention is causal and block-diagonal over rows and
/// positions restart in each. Logits and loss exist only at `targetPositions`.
///
/// Rows that begin alike (a system turn, an instruction) may share that beginning: it then stands once, before the
/// first row, and every row attends to it as if it were its own. Because attention is causal, what the model computes
/// for a shared token is what it would compute for each copy, and so is the sum of the copies' gradients.
public struct PackedBatch: Sendable, Equatable {
    /// Token ids: the shared beginning, then all rows end to end, `[T]`.
    public private(set) var tokens: [Int32] = []
    /// Tokens that all rows share, at positions `0 ..< prefixCount`; rows go on at position `prefixCount`.
    public private(set) var prefixCount = 0
    /// First own token of each row, plus `T` at the end, `[rows + 1]`.
    public private(set) var rowStarts: [Int32] = [0]
    /// Indices into `tokens` whose *next* token is in the loss, ascending, `[targets]`.
    public private(set) var targetPositions: [Int32] = []
    /// The token to predict at each of `targetPositions`, `[targets]`.
    public private(set) var targetTokens: [Int32] = []
    /// Where each row's targets start in `targetPositions`, plus the count at the end, `[rows + 1]`.
    public private(set) var targetStarts: [Int32] = [0]

    /// What random choices of a training pass over the batch (dropout) are made from; rows that share a beginning share
    /// the choices for it.
    public var seed: UInt64 = 0

    /// A shorter beginning is not worth sharing.
    public static let shortestPrefix = 8

    /// A batch without rows.
    public init() {}

    /// Packs rows. `isTarget[i]` says whether token `i` is predicted (from `i - 1`); `isTarget[0]` must be false.
    ///
    /// - Parameters:
    ///   - rows: tokens of each row, and which of them are predicted; both of one length.
    ///   - sharingPrefix: lets the rows share the longest beginning that they have in common and that lies
    ///     before every row's first prediction.
    public init(rows: [(tokens: [Int32], isTarget: [Bool])], sharingPrefix: Bool = true) {
        if sharingPrefix, rows.count > 1, let first = rows.first {
            var shared = first.tokens.count
            for row in rows {
                // A row keeps the token from which its first target is predicted, or else its last token.
                let own = (row.isTarget.firstIndex(of: true) ?? row.tokens.count) - 1
                shared = min(shared, own)
                var same = 0
                while same < shared, row.tokens[same] == first.tokens[same] { same += 1 }
                shared = same
            }
            if shared >= Self.shortestPrefix {
                tokens = Array(first.tokens.prefix(shared))
                prefixCount = shared
                rowStarts = [Int32(shared)]
            }
        }
        for row in rows { append(tokens: row.tokens, isTarget: row.isTarget) }
    }

    /// Tokens that the model computes, a shared beginning counted once.
    public var tokenCount: Int { tokens.count }
    /// Tokens of the rows, each with its own beginning.
    public var rowTokenCount: Int { tokens.count + max(0, rowCount - 1) * prefixCount }
    /// Tokens in the loss.
    public var targetCount: Int { targetTokens.count }
    /// Rows packed.
    public var rowCount: Int { rowStarts.count - 1 }
    /// Most tokens that one token attends to, itself included.
    public var longestRow: Int {
        prefixCount + (zip(rowStarts, rowStarts.dropFirst()).map { Int($1 - $0) }.max() ?? 0)
    }

    private mutating func append(tokens row: [Int32], isTarget: [Bool]) {
        precondition(row.count == isTarget.count && !row.isEmpty && !isTarget[0], "PackedBatch: malformed row")
        let start = Int32(tokens.count - prefixCount)
        tokens += row[prefixCount...]
        for i in 1..<max(1, row.count) where isTarget[i] {
            targetPositions.append(start + Int32(i) - 1)
            targetTokens.append(row[i])
        }
        rowStarts.append(Int32(tokens.count))
        targetStarts.append(Int32(targetTokens.count))
    }
}
