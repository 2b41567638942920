import CKernels
import Kernels

/// The exchange of one flat buffer of `count` floats: gradients are summed over the ranks in slices, each at its owner,
/// and the owners' new weights are sent to all.
///
/// A step is `reduce` (or `startReduce` and `finishReduce`, while gradients are still being computed), `norm`, the
/// optimizer on the values in `owned`, `share` (or `startShare` and `finishShare`, while the next step computes with what
/// has arrived). All are collective. Whatever the options (but `Wire.bf16`), the results
/// have the same bits; with a power of two of ranks also whatever their number (see `LeafTree`).
///
/// Buckets (see `SliceLayout`) are worked through one after the other: while one is on its way the next is coded and the
/// last decoded. Where ranks form groups that share memory, a bucket is first summed there, each rank of a group adding
/// up the slices that ranks in its own place own in any group; then these ranks exchange across groups.
///
/// All buffers are made in `init`; the size of a bucket, not of the buffer, decides their size, except that `Wire.bf16`
/// keeps `residual`.
///
/// An error thrown by one rank leaves the others waiting: see `CollectiveError`.
public final class RowExchange {
    /// Values in the buffer.
    public let count: Int
    /// How the values travel.
    public let options: ExchangeOptions
    /// Which rank sums which values.
    public let slices: SliceLayout
    /// The values this rank applies the optimizer to: those it owns, or all of them in mode `allreduce`. Ascending.
    public let owned: [Range<Int>]
    /// Ranks that sum in shared memory before they exchange with others; 1: none.
    public let groupSize: Int
    /// Whether gradients and weights are compressed.
    public internal(set) var gradientCodec: CodecChoice
    /// As of the last `finishShare`.
    public internal(set) var weightCodec: CodecChoice
    /// Of the thread that communicates.
    var weightChoice: CodecChoice

    let communicator: any Communicator
    /// Which group this rank belongs to, and its place there. Without groups every rank is one.
    let group: Int
    let place: Int
    let groupCount: Int
    /// The other groups, each rank's list starting with its successor, so that no rank is everyone's first target.
    let peers: [Int]
    let node: NodeMemory?
    let codec = PlaneCodec()

    /// Frames of the longest slice.
    let framesPerSlice: Int
    /// Room for a message: one slice.
    let messageBytes: Int
    /// `[2, peers]` messages each: rounds alternate. Plain values are sent from where they are.
    private let outgoing: TensorStorage
    private let incoming: TensorStorage
    /// `[2, peers]`: bytes of each message.
    let outgoingBytes: UnsafeMutableBufferPointer<Int>
    let incomingBytes: UnsafeMutableBufferPointer<Int>
    /// `[2, peers]`: bytes of each message that have been decoded.
    var decodedBytes: [Int]

    /// `[peers, frameValues]`: decoded frames.
    let frames: TensorStorage
    /// `[frameValues]` each: values on their way to or from the codec.
    let scratch: TensorStorage
    let present: TensorStorage
    /// What rounding took away, `[count]` with `Wire.bf16` and more than one rank, else empty: of gradients where other
    /// ranks own the value, of weights (or sums) where this rank does. Part of a run's state: a run goes on to the same
    /// bits only with the residuals of every rank.
    public var residual: UnsafeMutableBufferPointer<Float> { residualStorage.buffer }
    private let residualStorage: TensorStorage
    /// Per block of the whole buffer: the sum of its squares; and this rank's, then all ranks', one after another.
    let blockSquares: UnsafeMutableBufferPointer<Double>
    let gatheredSquares: UnsafeMutableBufferPointer<Double>

    /// For the number of leaves of the last call.
    var leafTree: LeafTree?
    /// Rounds worked through so far, over all calls.
    var roundNumber: UInt64 = 0

    var sends: [(peer: Int, bytes: UnsafeRawBufferPointer)] = []
    var receives: [(peer: Int, bytes: UnsafeMutableRawBufferPointer)] = []
    var statistics = ExchangeStatistics()

    /// Whether this rank's values of a bucket are complete, and whether all ranks' have been written.
    let gate: BucketGate
    let arrivals: BucketGate
    /// Between `startShare` and `finishShare`.
    var isSharing = false
    lazy var thread = CommunicationThread()
    var failure: CollectiveError?

    /// Collective where ranks share memory.
    /// - Parameters:
    ///   - communicator: the ranks of the run.
    ///   - count: values in the buffer; the same on every rank, as are the options.
    ///   - options: how the values travel.
    ///   - bucketValues: about how many values are exchanged at a time; see `SliceLayout`.
    public init(communicator: any Communicator, count: Int, options: ExchangeOptions, bucketValues: Int? = nil) {
        let (size, rank) = (communicator.size, communicator.rank)
        let slices = SliceLayout(count: count, size: size, bucketValues: bucketValues)
        self.communicator = communicator
        self.count = count
        self.options = options
        self.slices = slices
        owned = options.mode == .sharded ? slices.owned(by: rank) : count == 0 ? [] : [0..<count]
        let groupSize = options.groupSize(in: communicator)
        let groupCount = size / groupSize
        self.groupSize = groupSize
        self.groupCount = groupCount
        let group = rank / groupSize
        self.group = group
        place = rank % groupSize
        peers = (1..<max(groupCount, 1)).map { (group + $0) % groupCount }
        node =
            groupSize == 1
            ? nil : NodeMemory(communicator: communicator, groupSize: groupSize, slotValues: slices.longestBucket)
        gradientCodec = CodecChoice(options, isAlone: peers.isEmpty)
        weightCodec = gradientCodec
        weightChoice = gradientCodec

        let frame = PlaneCodec.frameValues
        framesPerSlice = (slices.longestSlice + frame - 1) / frame
        // Messages start at multiples of 64 bytes.
        messageBytes = (framesPerSlice * PlaneCodec.frameBound(frame) + 63) / 64 * 64
        let room = 2 * peers.count * messageBytes / 4
        outgoing = TensorStorage(count: room)
        incoming = TensorStorage(count: room)
        outgoingBytes = .allocate(capacity: 2 * peers.count)
        outgoingBytes.initialize(repeating: 0)
        incomingBytes = .allocate(capacity: 2 * peers.count)
        incomingBytes.initialize(repeating: 0)
        decodedBytes = .init(repeating: 0, count: 2 * peers.count)
        frames = TensorStorage(count: peers.count * frame)
        scratch = TensorStorage(count: frame)
        present = TensorStorage(count: frame)
        residualStorage = TensorStorage(count: options.wire == .bf16 && !peers.isEmpty ? count : 0)
        blockSquares = .allocate(capacity: slices.blockCount)
        gatheredSquares = .allocate(capacity: slices.blockCount)
        gate = BucketGate(count: slices.bucketCount)
        arrivals = BucketGate(count: slices.bucketCount)
        sends.reserveCapacity(peers.count)
        receives.reserveCapacity(peers.count)
    }

    deinit {
        outgoingBytes.deallocate()
        incomingBytes.deallocate()
        blockSquares.deallocate()
        gatheredSquares.deallocate()
    }

    /// What this rank's calls have cost since the last time this was asked.
    public func takeStatistics() -> ExchangeStatistics {
        precondition(!isSharing, "takeStatistics: an exchange is under way")
        defer { statistics = ExchangeStatistics() }
        return statistics
    }

    // MARK: - Pieces of the rounds

    /// The rank of a group that is in this rank's place.
    func rank(inGroup group: Int) -> Int { group * groupSize + place }

    func messageIndex(_ round: ExchangeRound, _ peerIndex: Int) -> Int { round.half * peers.count + peerIndex }

    func outgoingMessage(_ round: ExchangeRound, _ peerIndex: Int) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(outgoing.pointer) + messageIndex(round, peerIndex) * messageBytes
    }

    func incomingMessage(_ round: ExchangeRound, _ peerIndex: Int) -> UnsafeMutableRawPointer {
        UnsafeMutableRawPointer(incoming.pointer) + messageIndex(round, peerIndex) * messageBytes
    }

    /// Frame `index` of a slice; empty past its end.
    func frame(_ index: Int, of slice: Range<Int>) -> Range<Int> {
        let start = min(slice.lowerBound + index * PlaneCodec.frameValues, slice.upperBound)
        return start..<min(start + PlaneCodec.frameValues, slice.upperBound)
    }

    /// The slice of a round's bucket that the rank in this one's place in a group owns.
    func slice(_ round: ExchangeRound, ofGroup group: Int) -> Range<Int> {
        slices.slice(round.bucket, of: rank(inGroup: group))
    }

    /// Decodes the next frame of a peer's message into its place in `frames`.
    func decodeFrame(_ round: ExchangeRound, peerIndex: Int, count: Int, content: FrameHeader.Content)
        throws(CollectiveError) -> UnsafeMutablePointer<Float>
    {
        let index = messageIndex(round, peerIndex)
        let done = decodedBytes[index]
        let target = frames.pointer + peerIndex * PlaneCodec.frameValues
        let rest = UnsafeRawBufferPointer(
            start: incomingMessage(round, peerIndex) + done, count: incomingBytes[index] - done)
        decodedBytes[index] += try codec.decode(
            rest, count: count, content: content, to: target.words, sender: rank(inGroup: peers[peerIndex]))
        return target
    }

    /// Appends a frame to a message.
    func encodeFrame(
        _ round: ExchangeRound, peerIndex: Int, words: UnsafePointer<UInt32>, count: Int, content: FrameHeader.Content,
        compresses: Bool
    ) {
        let index = messageIndex(round, peerIndex)
        outgoingBytes[index] += codec.encode(
            words, count: count, content: content, compresses: compresses,
            to: outgoingMessage(round, peerIndex) + outgoingBytes[index])
    }
}

/// One bucket on its way.
struct ExchangeRound {
    let bucket: Int
    /// Which of the two message buffers it uses.
    let half: Int
    /// Over all calls, from 1.
    let number: UInt64
}

extension UnsafePointer<Float> {
    /// The same memory as bit patterns.
    var words: UnsafePointer<UInt32> { UnsafeRawPointer(self).assumingMemoryBound(to: UInt32.self) }
}

extension UnsafeMutablePointer<Float> {
    /// The same memory as bit patterns.
    var words: UnsafeMutablePointer<UInt32> { UnsafeMutableRawPointer(self).assumingMemoryBound(to: UInt32.self) }
}

extension Duration {
    var seconds: Double { Double(components.seconds) + Double(components.attoseconds) * 1e-18 }
}
