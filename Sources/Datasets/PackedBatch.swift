/// Rows laid end to end without padding: one micro-batch for the model.
///
/// Row `i` occupies tokens `rowStarts[i] ..< rowStarts[i + 1]`; attention is causal and block-diagonal over rows and
/// positions restart at 0 in each. Logits and loss exist only at `targetPositions`.
public struct PackedBatch: Sendable, Equatable {
    /// Token ids, all rows end to end, `[T]`.
    public var tokens: [Int32] = []
    /// First token of each row, plus `T` at the end, `[rows + 1]`.
    public var rowStarts: [Int32] = [0]
    /// Indices into `tokens` whose *next* token is in the loss, ascending, `[targets]`.
    public var targetPositions: [Int32] = []
    /// The token to predict at each of `targetPositions`, `[targets]`.
    public var targetTokens: [Int32] = []
    /// Where each row's targets start in `targetPositions`, plus the count at the end, `[rows + 1]`.
    public var targetStarts: [Int32] = [0]

    public init() {}

    public var tokenCount: Int { tokens.count }
    public var targetCount: Int { targetTokens.count }
    public var rowCount: Int { rowStarts.count - 1 }

    /// Appends one row. `isTarget[i]` says whether token `i` is predicted (from `i - 1`); `isTarget[0]` must be false.
    public mutating func append(tokens row: [Int32], isTarget: [Bool]) {
        precondition(row.count == isTarget.count && !row.isEmpty && !isTarget[0], "PackedBatch: malformed row")
        let start = Int32(tokens.count)
        tokens += row
        for i in 1..<max(1, row.count) where isTarget[i] {
            targetPositions.append(start + Int32(i) - 1)
            targetTokens.append(row[i])
        }
        rowStarts.append(Int32(tokens.count))
        targetStarts.append(Int32(targetTokens.count))
    }
}
