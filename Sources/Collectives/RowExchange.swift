import CKernels
import Kernels

/// The exchange of one flat buffer of `count` floats: gradients are summed over the ranks in slices, each at its owner,
/// and the owners' new weights are sent to all.
///
/// A step is `reduce`, `norm`, the optimizer on the values in `owned`, `share`. All three are collective. Whatever the
/// options, the results have the same bits; with a power of two of ranks also whatever their number (see `LeafTree`).
///
/// Slices are worked through in rounds: while one round is on its way the next is coded and the last decoded. All
/// buffers are made in `init`; the size of a round, not of the buffer, decides their size.
///
/// An error thrown by one rank leaves the others waiting: see `CollectiveError`.
public final class RowExchange {
    /// Values in the buffer.
    public let count: Int
    public let options: ExchangeOptions
    /// Which rank sums which values.
    public let slices: SliceLayout
    /// The values this rank applies the optimizer to: its slice, or all of them in mode `allreduce`.
    public let owned: Range<Int>

    let communicator: any Communicator
    /// The other ranks, each rank's list starting with its successor, so that no rank is everyone's first target.
    let peers: [Int]
    let codec = PlaneCodec()

    /// Values of a slice per round, a multiple of `PlaneCodec.frameValues`.
    let roundValues: Int
    /// Rounds that the longest slice takes.
    let rounds: Int
    /// Room for a message of one round.
    let messageBytes: Int
    /// `[2, peers]` messages each: rounds alternate. Coded only: plain values are sent from where they are.
    private let outgoing: TensorStorage
    private let incoming: TensorStorage
    /// `[2, peers]`: bytes of each message.
    var outgoingBytes: [Int]
    var incomingBytes: [Int]
    /// `[2, peers]`: bytes of each message that have been decoded.
    var decodedBytes: [Int]

    /// `[peers, frameValues]`: decoded frames.
    let frames: TensorStorage
    /// `[frameValues]`: the present values that a delta is against.
    let present: TensorStorage
    /// Per block of the whole buffer: the sum of its squares.
    let blockSquares: UnsafeMutableBufferPointer<Double>
    /// The order in which partial sums are added, for the number of leaves of the last call.
    var sumOrder: SumOrder?
    /// By rank: where its partial sum of the current frame is.
    var partials: [UnsafeMutablePointer<Float>?]

    var sends: [(peer: Int, bytes: UnsafeRawBufferPointer)] = []
    var receives: [(peer: Int, bytes: UnsafeMutableRawBufferPointer)] = []
    private var statistics = ExchangeStatistics()

    /// - Parameters:
    ///   - count: values in the buffer; the same on every rank, as are the options.
    ///   - roundBytes: about how many plain bytes a rank sends per round, over all peers.
    public init(communicator: any Communicator, count: Int, options: ExchangeOptions, roundBytes: Int = 2 << 20) {
        let size = communicator.size
        let rank = communicator.rank
        let slices = SliceLayout(count: count, size: size)
        self.communicator = communicator
        self.count = count
        self.options = options
        self.slices = slices
        owned = options.mode == .sharded ? slices.range(of: rank) : 0..<count
        peers = (1..<max(size, 1)).map { (rank + $0) % size }

        let frame = PlaneCodec.frameValues
        let longest = (slices.longestSlice + frame - 1) / frame
        let wanted = roundBytes / 4 / max(peers.count, 1) / frame
        let roundFrames = max(1, min(wanted, longest))
        roundValues = roundFrames * frame
        rounds = peers.isEmpty ? 0 : (slices.longestSlice + roundValues - 1) / roundValues
        // Messages start at multiples of 64 bytes.
        let bound = options.isCoded ? PlaneCodec.frameBound(frame) : frame * 4
        messageBytes = (roundFrames * bound + 63) / 64 * 64
        let room = 2 * peers.count * messageBytes / 4
        outgoing = TensorStorage(count: options.isCoded ? room : 0)
        incoming = TensorStorage(count: room)
        outgoingBytes = .init(repeating: 0, count: 2 * peers.count)
        incomingBytes = .init(repeating: 0, count: 2 * peers.count)
        decodedBytes = .init(repeating: 0, count: 2 * peers.count)
        frames = TensorStorage(count: options.isCoded ? peers.count * frame : 0)
        present = TensorStorage(count: options.isCoded ? frame : 0)
        blockSquares = .allocate(capacity: slices.blockCount)
        partials = .init(repeating: nil, count: size)
        sends.reserveCapacity(peers.count)
        receives.reserveCapacity(peers.count)
    }

    deinit { blockSquares.deallocate() }

    /// What this rank's calls have cost since the last time this was asked.
    public func takeStatistics() -> ExchangeStatistics {
        defer { statistics = ExchangeStatistics() }
        return statistics
    }

    // MARK: - Pieces of the rounds

    func messageIndex(_ round: Int, _ peerIndex: Int) -> Int { (round & 1) * peers.count + peerIndex }

    func outgoingMessage(_ round: Int, _ peerIndex: Int) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(outgoing.pointer) + messageIndex(round, peerIndex) * messageBytes
    }

    func incomingMessage(_ round: Int, _ peerIndex: Int) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(incoming.pointer) + messageIndex(round, peerIndex) * messageBytes
    }

    /// Frame `index` of a part; empty past its end.
    func frame(_ index: Int, of part: Range<Int>) -> Range<Int> {
        let start = min(part.lowerBound + index * PlaneCodec.frameValues, part.upperBound)
        return start..<min(start + PlaneCodec.frameValues, part.upperBound)
    }

    var framesPerRound: Int { roundValues / PlaneCodec.frameValues }

    /// The values of `rank`'s slice that belong to a round; empty past its end.
    func part(_ round: Int, of rank: Int) -> Range<Int> { slices.part(round, of: rank, values: roundValues) }

    func record(_ change: (inout ExchangeStatistics) -> Void) { change(&statistics) }
}

/// The additions of `LeafTree.sumOverRanks`, worked out once.
struct SumOrder {
    let leafCount: Int
    /// By rank.
    let hasLeaves: [Bool]
    let additions: [(into: Int, from: Int)]
    /// The rank whose partial sum becomes the total.
    let total: Int

    init(_ tree: LeafTree) {
        leafCount = tree.count
        hasLeaves = (0..<tree.size).map(tree.hasLeaves)
        var additions: [(into: Int, from: Int)] = []
        total = tree.sumOverRanks { additions.append((into: $0, from: $1)) }
        self.additions = additions
    }
}
