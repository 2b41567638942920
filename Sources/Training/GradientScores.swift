import Collectives
import Kernels
import Models

/// Sums |w · g| of every trained row over batches: the first-order estimate of how much the loss depends on the row.
///
/// A rank only sees the gradient of the slice it owns. Rows are therefore cut where slices can be cut, at multiples of
/// `SliceLayout.blockValues`, each piece is summed by its owner, and the pieces of a row are added in order at the end:
/// the scores have the same bits for every number of ranks that gives the gradient the same bits.
struct GradientScores {
    /// A row's values within one block.
    private struct Piece {
        let row: Int
        let start: Int
        let count: Int
        let weights: UnsafeMutablePointer<Float>
    }

    /// Rows of all entries, numbered in packed order.
    let rowCount: Int
    private let pieces: [Piece]
    private var sums: [Double]
    private let parameters: [Parameter]

    /// - Parameters:
    ///   - owned: the packed values whose gradient this rank has: its slice of `SliceLayout`.
    init(_ trainable: TrainableRows, parameters: [Parameter], owned: Range<Int>) {
        var pieces: [Piece] = []
        var row = 0
        for entry in trainable.entries {
            let base = parameters[entry.parameter].tensor.pointer
            for index in 0..<entry.rowCount {
                let start = entry.offset + index * entry.columns
                let weights = base + Int(entry.rows?[index] ?? Int32(index)) * entry.columns
                var position = max(start, owned.lowerBound)
                let end = min(start + entry.columns, owned.upperBound)
                while position < end {
                    let block = position / SliceLayout.blockValues
                    let next = min((block + 1) * SliceLayout.blockValues, end)
                    pieces.append(
                        Piece(row: row, start: position, count: next - position, weights: weights + (position - start)))
                    position = next
                }
                row += 1
            }
        }
        rowCount = row
        self.pieces = pieces
        self.parameters = parameters
        sums = .init(repeating: 0, count: pieces.count)
    }

    /// Adds one batch's gradient, `[trainable.count]`, of which the owned values are read.
    mutating func add(_ gradient: UnsafePointer<Float>, team: WorkerTeam) {
        sums.withUnsafeMutableBufferPointer { sums in
            // Each piece has its own sum: workers share nothing.
            nonisolated(unsafe) let sums = sums
            team.forEachBlock(of: pieces.count, block: 256) { block, _ in
                for index in block {
                    let piece = pieces[index]
                    sums[index] += absoluteProducts(piece.weights, gradient + piece.start, count: piece.count)
                }
            }
        }
    }

    /// Collective: the score of every row, in packed order, on every rank.
    func gather(over communicator: any Communicator) -> [Double] {
        let own = zip(pieces, sums).flatMap { piece, sum in [Double(piece.row), sum] }
        var scores = [Double](repeating: 0, count: rowCount)
        // Ranks own ascending slices, so a row's pieces come in order.
        for bytes in communicator.allGather(own.withUnsafeBytes { Array($0) }) {
            var row: Int?
            bytes.forEachDouble { value in
                if let known = row {
                    scores[known] += value
                    row = nil
                } else {
                    row = Int(value)
                }
            }
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
