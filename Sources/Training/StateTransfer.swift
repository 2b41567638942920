import CKernels
import Collectives
import Kernels

/// Moves the values of state buffers between the ranks that hold them and rank 0, in packed order, a piece at a time:
/// rank 0 needs memory for one piece, whatever N and the number of ranks are.
final class StateTransfer {
    /// Values per piece (4 MiB).
    static let pieceValues = 1 << 20

    /// N.
    let count: Int
    private let communicator: any Communicator
    /// By rank, ascending.
    private let owned: [[Range<Int>]]
    private let piece: TensorStorage

    /// Collective.
    /// `owned`: the values this rank owns, ascending. Either no value has two owners, or every rank owns all.
    init(count: Int, owned: [Range<Int>], communicator: any Communicator) {
        self.count = count
        self.communicator = communicator
        let bounds = owned.flatMap { [UInt64($0.lowerBound), UInt64($0.upperBound)] }
        self.owned = communicator.allGather(bounds.withUnsafeBytes { Array($0) }).map { bytes in
            var bounds: [Int] = []
            bytes.withUnsafeBytes { raw in
                for offset in stride(from: 0, to: raw.count, by: 8) {
                    bounds.append(Int(raw.loadUnaligned(fromByteOffset: offset, as: UInt64.self)))
                }
            }
            return stride(from: 0, to: bounds.count, by: 2).map { bounds[$0]..<bounds[$0 + 1] }
        }
        piece = TensorStorage(count: communicator.rank == 0 ? min(count, Self.pieceValues) : 0)
    }

    /// Which rank owns what, as a number: equal for equal layouts.
    var layout: String {
        let words = owned.enumerated().flatMap { rank, ranges in
            [UInt32(rank)]
                + ranges.flatMap {
                    [UInt32(truncatingIfNeeded: $0.lowerBound), UInt32(truncatingIfNeeded: $0.upperBound)]
                }
        }
        return String(words.withUnsafeBufferPointer { neft_words_checksum($0.baseAddress!, $0.count) }, radix: 16)
    }

    /// The pieces of a tensor.
    private var pieces: [Range<Int>] {
        stride(from: 0, to: count, by: Self.pieceValues).map { $0..<min($0 + Self.pieceValues, count) }
    }

    /// Collective: brings a tensor to rank 0, which hands it on piece by piece.
    func gather(_ tensor: StateTensor, body: (UnsafeBufferPointer<Float>) -> Void) {
        for range in pieces {
            move(tensor, range, toRoot: true)
            if communicator.rank == 0 { body(UnsafeBufferPointer(start: piece.pointer, count: range.count)) }
        }
    }

    /// Collective: takes a tensor from rank 0 to those who hold it.
    /// `fill`: called on rank 0 for the values of a range.
    func scatter(_ tensor: StateTensor, fill: (Range<Int>, UnsafeMutablePointer<Float>) -> Void) {
        for range in pieces {
            if communicator.rank == 0 { fill(range, piece.pointer) }
            move(tensor, range, toRoot: false)
        }
    }

    /// Collective: takes values from rank 0 to all ranks.
    /// - Parameters:
    ///   - fill: called on rank 0 for the values of a range.
    ///   - use: called on every rank.
    func broadcast(
        fill: (Range<Int>, UnsafeMutablePointer<Float>) -> Void, use: (Range<Int>, UnsafePointer<Float>) -> Void
    ) {
        let isRoot = communicator.rank == 0
        let values = isRoot ? piece : TensorStorage(count: min(count, Self.pieceValues))
        for range in pieces {
            if isRoot { fill(range, values.pointer) }
            communicator.broadcast(
                UnsafeMutableRawBufferPointer(start: values.pointer, count: range.count * 4), root: 0)
            use(range, values.pointer)
        }
    }

    private func move(_ tensor: StateTensor, _ range: Range<Int>, toRoot: Bool) {
        let rank = communicator.rank
        var sends: [(peer: Int, bytes: UnsafeRawBufferPointer)] = []
        var receives: [(peer: Int, bytes: UnsafeMutableRawBufferPointer)] = []
        let own = parts(of: rank, tensor, range, toRoot: toRoot)
        if rank == 0 {
            for part in own {
                let (here, there) = (tensor.buffer.values.baseAddress! + part.place, piece.pointer + part.start)
                if toRoot {
                    there.update(from: here, count: part.count)
                } else {
                    here.update(from: there, count: part.count)
                }
            }
            for peer in 1..<max(communicator.size, 1) {
                for part in parts(of: peer, tensor, range, toRoot: toRoot) {
                    let bytes = UnsafeMutableRawBufferPointer(start: piece.pointer + part.start, count: part.count * 4)
                    if toRoot {
                        receives.append((peer, bytes))
                    } else {
                        sends.append((peer, UnsafeRawBufferPointer(bytes)))
                    }
                }
            }
        } else {
            for part in own {
                let bytes = UnsafeMutableRawBufferPointer(
                    start: tensor.buffer.values.baseAddress! + part.place, count: part.count * 4)
                if toRoot { sends.append((0, UnsafeRawBufferPointer(bytes))) } else { receives.append((0, bytes)) }
            }
        }
        if communicator.size > 1 { communicator.exchange(sends: sends, receives: receives) }
    }

    /// Values of a range that a rank gives or takes.
    /// - Returns: `start`: in the range; `place`: in the rank's buffer.
    private func parts(
        of rank: Int, _ tensor: StateTensor, _ range: Range<Int>, toRoot: Bool
    ) -> [(start: Int, place: Int, count: Int)] {
        switch tensor.part {
        case .rank(let holder):
            return holder == rank ? [(0, range.lowerBound, range.count)] : []
        case .owners:
            // Where all own everything rank 0 needs nothing from the others.
            if toRoot, rank != 0, owned[0] == owned[rank] { return [] }
            var parts: [(start: Int, place: Int, count: Int)] = []
            var place = 0
            for values in owned[rank] {
                let common = values.clamped(to: range)
                if !common.isEmpty {
                    let place =
                        tensor.buffer.holder == .everyRank
                        ? common.lowerBound : place + common.lowerBound - values.lowerBound
                    parts.append((common.lowerBound - range.lowerBound, place, common.count))
                }
                place += values.count
            }
            return parts
        }
    }
}
