import Checkpoints
import Collectives
import Kernels
import Models

/// Sums |w · g| of every trained row, its bias included, over batches: the first-order estimate of how much the loss depends on the row.
///
/// A rank only sees the gradient of the values it owns. Rows are therefore cut where slices can be cut, at multiples of
/// `SliceLayout.blockValues`, each piece is summed by its owner, and the pieces of a row are added in order at the end:
/// the scores have the same bits for every number of ranks that gives the gradient the same bits.
struct GradientScores {
    /// A row's values within one block.
    private struct Piece {
        /// In packed order.
        let row: Int
        let start: Int
        let count: Int
        /// Where its weights are: row and first column of a tensor.
        let tensor: FloatTensor
        let tensorRow: Int
        let column: Int
    }

    /// Rows of all weights, numbered in packed order.
    let rowCount: Int
    private let pieces: [Piece]
    private var sums: [Double]
    private let parameters: [Parameter]
    private let longestRow: Int

    /// `owned`: the packed values whose gradient this rank has, ascending: those of `SliceLayout.owned(by:)`.
    init(_ trainable: TrainableRows, parameters: [Parameter], owned: [Range<Int>]) {
        var pieces: [Piece] = []
        var rowCount = 0
        var firstRows: [String: Int] = [:]
        var next = owned.startIndex
        for entry in trainable.entries {
            let parameter = parameters[entry.parameter]
            let tensor = parameter.tensor
            // A bias comes behind the weights of the same rows.
            let firstRow = firstRows[parameter.module] ?? rowCount
            if !parameter.isBias {
                firstRows[parameter.module] = rowCount
                rowCount += entry.rowCount
            }
            for index in 0..<entry.rowCount {
                let start = entry.offset + index * entry.columns
                let end = start + entry.columns
                let row = Int(entry.rows?[index] ?? Int32(index))
                while next < owned.endIndex, owned[next].upperBound <= start { next += 1 }
                for range in owned[next...].prefix(while: { $0.lowerBound < end }) {
                    Self.forEachBlock(of: range.clamped(to: start..<end)) { part in
                        // A bias is one row of its tensor.
                        let first = row * entry.columns + part.lowerBound - start
                        pieces.append(
                            Piece(
                                row: firstRow + index, start: part.lowerBound, count: part.count, tensor: tensor,
                                tensorRow: first / tensor.columns, column: first % tensor.columns))
                    }
                }
            }
        }
        self.rowCount = rowCount
        self.pieces = pieces
        self.parameters = parameters
        longestRow = pieces.map(\.tensor.columns).max() ?? 1
        sums = .init(repeating: 0, count: pieces.count)
    }

    private static func forEachBlock(of range: Range<Int>, _ body: (Range<Int>) -> Void) {
        var position = range.lowerBound
        while position < range.upperBound {
            let next = min((position / SliceLayout.blockValues + 1) * SliceLayout.blockValues, range.upperBound)
            body(position..<next)
            position = next
        }
    }

    /// Adds one batch's gradient, `[trainable.count]`, of which the owned values are read.
    mutating func add(_ gradient: UnsafePointer<Float>, team: WorkerTeam) { add(terms(of: gradient, team: team)) }

    /// What one batch's gradient adds to each piece.
    func terms(of gradient: UnsafePointer<Float>, team: WorkerTeam) -> [Double] {
        [Double](unsafeUninitializedCapacity: pieces.count) { terms, count in
            // Each piece has its own place: workers share nothing.
            nonisolated(unsafe) let terms = terms
            // In parts, so that few of the rows that are read are in memory at once.
            for part in stride(from: 0, to: pieces.count, by: 16_384) {
                let part = part..<min(part + 16_384, pieces.count)
                team.forEachBlock(of: part.count, block: 256) { block, _ in
                    withUnsafeTemporaryAllocation(of: Float.self, capacity: longestRow) { scratch in
                        guard let scratch = scratch.baseAddress else { return }
                        for index in block {
                            let piece = pieces[part.lowerBound + index]
                            let weights = piece.tensor.row(piece.tensorRow, scratch: scratch) + piece.column
                            terms[part.lowerBound + index] = absoluteProducts(
                                weights, gradient + piece.start, count: piece.count)
                        }
                    }
                }
                var last: FloatTensor?
                for piece in pieces[part] where piece.tensor !== last {
                    piece.tensor.releaseOriginals()
                    last = piece.tensor
                }
            }
            count = pieces.count
        }
    }

    /// Adds what `terms` gave for a batch, on this rank or on another that owns the same values.
    mutating func add(_ terms: [Double]) {
        precondition(terms.count == sums.count, "GradientScores: \(terms.count) terms for \(sums.count) pieces")
        for index in terms.indices { sums[index] += terms[index] }
    }

    /// Collective: the score of every row, in packed order, on every rank.
    func gather(over communicator: any Communicator) -> [Double] {
        let own = zip(pieces, sums).flatMap { piece, sum in [Double(piece.start), Double(piece.row), sum] }
        var values: [Double] = []
        for bytes in communicator.allGather(own.withUnsafeBytes { Array($0) }) {
            bytes.forEachDouble { values.append($0) }
        }
        // A row's pieces are added in their order, wherever they were summed.
        var scores = [Double](repeating: 0, count: rowCount)
        for first in stride(from: 0, to: values.count, by: 3).sorted(by: { values[$0] < values[$1] }) {
            scores[Int(values[first + 1])] += values[first + 2]
        }
        return scores
    }
}

/// Σ |w · g| in double precision and a fixed order: four interleaved sums.
func absoluteProducts(_ weights: UnsafePointer<Float>, _ gradient: UnsafePointer<Float>, count: Int) -> Double {
    var sums = SIMD4<Double>()
    var index = 0
    while index + 4 <= count {
        for lane in 0..<4 { sums[lane] += abs(Double(weights[index + lane]) * Double(gradient[index + lane])) }
        index += 4
    }
    var lane = 0
    while index < count {
        sums[lane] += abs(Double(weights[index]) * Double(gradient[index]))
        index += 1
        lane += 1
    }
    return (sums[0] + sums[1]) + (sums[2] + sums[3])
}
