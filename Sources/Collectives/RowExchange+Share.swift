import CKernels

extension RowExchange {
    /// Sends the owners' new values to all ranks, so that each holds all of them: exactly, or with `Wire.bf16` rounded,
    /// on the owner too.
    ///
    /// In mode `allreduce` every rank has them all already, and nothing is sent.
    /// - Parameters:
    ///   - newValues: `[count]`, of which those in `owned` are the new values; any bit patterns. With `Wire.bf16` they
    ///     are changed to what all ranks get, and what was taken away is added next time.
    ///   - read: copies the present values of a range to `[range.count]` floats. They must be the same on all ranks.
    ///     Called for ranges that have not been written yet in this call, at most `PlaneCodec.frameValues` long.
    ///   - write: takes the new values of a range. Each value is written once, the own ones too.
    /// - Throws: `CollectiveError` if a message arrives damaged.
    public func share(
        _ newValues: UnsafeMutableBufferPointer<Float>,
        read: (_ range: Range<Int>, _ into: UnsafeMutablePointer<Float>) -> Void,
        write: (_ range: Range<Int>, _ values: UnsafePointer<Float>) -> Void
    ) throws(CollectiveError) {
        precondition(!isSharing, "share: one is under way")
        gate.openAll()
        try shareWhenReady(newValues, order: Array(0..<slices.bucketCount), read: read, write: write)
        weightCodec = weightChoice
    }

    /// Whether `share` has anything to send.
    public var sendsWeights: Bool { options.mode == .sharded && communicator.size > 1 }

    /// The same as `share` on a thread of its own, while new values are still being computed and after that: a bucket is
    /// sent when `valuesAreReady` has said that this rank's are complete. Until `finishShare` has returned, `newValues`
    /// is not to be touched but for buckets that are not ready yet, what `write` takes not but for buckets that
    /// `waitForShared` has waited for, and the communicator and other methods are not to be used. Collective.
    /// - Parameters:
    ///   - newValues: `[count]`; those of this rank are sent.
    ///   - order: every bucket of `slices` once, in the order in which they are sent; the same on all ranks.
    ///   - read: gives the present values of a range.
    ///   - write: takes the new values of a range.
    public func startShare(
        _ newValues: UnsafeMutableBufferPointer<Float>, order: [Int],
        read: @escaping (_ range: Range<Int>, _ into: UnsafeMutablePointer<Float>) -> Void,
        write: @escaping (_ range: Range<Int>, _ values: UnsafePointer<Float>) -> Void
    ) {
        precondition(order.sorted() == Array(0..<slices.bucketCount), "startShare: not every bucket once")
        precondition(!isSharing, "startShare: one is under way")
        gate.closeAll()
        arrivals.closeAll()
        isSharing = true
        nonisolated(unsafe) let (exchange, newValues, read, write) = (self, newValues, read, write)
        thread.start {
            do throws(CollectiveError) {
                try exchange.shareWhenReady(newValues, order: order, read: read, write: write)
            } catch {
                exchange.failure = error
            }
            // After an error nobody must wait for what does not come.
            exchange.arrivals.openAll()
        }
    }

    /// This rank's new values of a bucket will not change any more.
    public func valuesAreReady(bucket: Int) { gate.open(bucket) }

    /// Waits until the new values of a bucket have been written, on this rank; not at all if none are on their way. Sleeps
    /// meanwhile. An error ends the waiting too: `finishShare` tells of it.
    public func waitForShared(bucket: Int) {
        var pacing = PollPacing()
        while !arrivals.isOpen(bucket) { pacing.idle() }
    }

    /// Waits for the end of what `startShare` began; does nothing if that is done. Every bucket must be ready.
    public func finishShare() throws(CollectiveError) {
        guard isSharing else { return }
        thread.wait()
        isSharing = false
        if let failure { throw failure }
        weightCodec = weightChoice
    }

    private func shareWhenReady(
        _ newValues: UnsafeMutableBufferPointer<Float>, order: [Int],
        read: (Range<Int>, UnsafeMutablePointer<Float>) -> Void, write: (Range<Int>, UnsafePointer<Float>) -> Void
    ) throws(CollectiveError) {
        precondition(newValues.count == count, "share: \(newValues.count) values, not \(count)")
        guard let base = newValues.baseAddress else { return }
        if sendsWeights { return try gather(base, order: order, isWeights: true, read: read, write: write) }
        for bucket in order {
            var pacing = PollPacing()
            while !gate.isOpen(bucket) { pacing.idle(isResting: true) }
            for range in owned.map({ $0.clamped(to: slices.bucket(bucket)) }) where !range.isEmpty {
                write(range, base + range.lowerBound)
            }
            arrivals.open(bucket)
        }
    }

    /// Sends each rank's slices to all others.
    /// - Parameters:
    ///   - values: `[count]`, with the own slices in their places.
    ///   - order: of the buckets.
    ///   - isWeights: whether there are present values, whose differences compress better. The own values are then
    ///     written too.
    ///   - read: the present values.
    ///   - write: takes the values of a range of another rank's slice.
    func gather(
        _ values: UnsafeMutablePointer<Float>, order: [Int], isWeights: Bool,
        read: (Range<Int>, UnsafeMutablePointer<Float>) -> Void,
        write: (Range<Int>, UnsafePointer<Float>) -> Void
    ) throws(CollectiveError) {
        let isCoded = weightChoice.next(communicator)
        let seconds = try withoutActuallyEscaping(read) { read throws(CollectiveError) in
            try withoutActuallyEscaping(write) { write throws(CollectiveError) in
                let pass = GatherPass(
                    self, values: values, isWeights: isWeights, isCoded: isCoded, read: read, write: write)
                return try run(pass, order: order)
            }
        }
        weightChoice.note(seconds: seconds)
    }
}

/// The owners' values go to everyone.
private final class GatherPass: ExchangePass {
    let isFramed: Bool
    let sharesMessage = true

    private let exchange: RowExchange
    private let values: UnsafeMutablePointer<Float>
    private let isWeights: Bool
    private let isCoded: Bool
    private let rounds: Bool
    private let content: FrameHeader.Content
    private let read: (Range<Int>, UnsafeMutablePointer<Float>) -> Void
    private let write: (Range<Int>, UnsafePointer<Float>) -> Void

    init(
        _ exchange: RowExchange, values: UnsafeMutablePointer<Float>, isWeights: Bool, isCoded: Bool,
        read: @escaping (Range<Int>, UnsafeMutablePointer<Float>) -> Void,
        write: @escaping (Range<Int>, UnsafePointer<Float>) -> Void
    ) {
        self.exchange = exchange
        self.values = values
        self.isWeights = isWeights
        self.isCoded = isCoded
        self.read = read
        self.write = write
        rounds = exchange.options.wire == .bf16
        isFramed = isCoded || rounds
        content = rounds ? (isWeights ? .delta16 : .gradient16) : (isWeights ? .delta : .gradient)
    }

    func outgoing(_ round: ExchangeRound, toGroup group: Int) -> Range<Int> {
        exchange.slice(round, ofGroup: exchange.group)
    }

    func incoming(_ round: ExchangeRound, fromGroup group: Int) -> Range<Int> {
        exchange.slice(round, ofGroup: group)
    }

    func plain(_ range: Range<Int>) -> UnsafePointer<Float> { UnsafePointer(values + range.lowerBound) }

    // MARK: - Before

    func prepare(_ round: ExchangeRound, piece: Int) -> PieceOfWork {
        if piece == 0 { return exchange.gate.isOpen(round.bucket) ? .worked : .gated }
        guard isFramed, !exchange.peers.isEmpty, piece <= exchange.framesPerSlice else { return .finished }
        let range = exchange.frame(piece - 1, of: exchange.slice(round, ofGroup: exchange.group))
        guard !range.isEmpty else { return .finished }
        let new = values + range.lowerBound
        let scratch = exchange.scratch.pointer.words
        var words = UnsafePointer(new.words)
        if rounds {
            let residual = exchange.residual.baseAddress! + range.lowerBound
            neft_bf16_round_with_feedback(new, residual, scratch, range.count)
            neft_bf16_widen(scratch, new, range.count)
            words = UnsafePointer(scratch)
        }
        if isWeights {
            let base = presentWords(range)
            if rounds {
                neft_delta16_encode(words, base, scratch, range.count)
            } else {
                neft_delta_encode(words, base, scratch, range.count)
            }
            words = UnsafePointer(scratch)
        }
        exchange.encodeFrame(
            round, peerIndex: 0, words: words, count: range.count, content: content, compresses: isCoded)
        return .worked
    }

    /// What differences are from: the same on all ranks.
    private func presentWords(_ range: Range<Int>) -> UnsafePointer<UInt32> {
        let present = exchange.present.pointer
        read(range, present)
        if rounds { neft_bf16_round(present, present.words, range.count) }
        return UnsafePointer(present.words)
    }

    // MARK: - After

    func consume(_ round: ExchangeRound, piece: Int) throws(CollectiveError) -> PieceOfWork {
        let state = try takeIn(round, piece: piece)
        if state == .finished && isWeights {
            let own = exchange.slice(round, ofGroup: exchange.group)
            if !own.isEmpty { write(own, values + own.lowerBound) }
            exchange.arrivals.open(round.bucket)
        }
        return state
    }

    private func takeIn(_ round: ExchangeRound, piece: Int) throws(CollectiveError) -> PieceOfWork {
        var index = piece
        if let node = exchange.node {
            if index == 0 {
                guard node.isFree(round.number) else { return .blocked }
                let own = exchange.slice(round, ofGroup: exchange.group)
                layOpen(own, values + own.lowerBound, round, node)
                return .worked
            }
            index -= 1
        }
        let frames = exchange.framesPerSlice
        if index < exchange.peers.count * frames {
            let peerIndex = index / frames
            let slice = exchange.slice(round, ofGroup: exchange.peers[peerIndex])
            let range = exchange.frame(index % frames, of: slice)
            if !range.isEmpty { try take(range, round, peerIndex: peerIndex, frame: index % frames) }
            return .worked
        }
        guard let node = exchange.node else { return .finished }
        return readGroup(round, node, piece: index - exchange.peers.count * frames)
    }

    /// Uses one frame of what a peer sent.
    private func take(_ range: Range<Int>, _ round: ExchangeRound, peerIndex: Int, frame: Int) throws(CollectiveError) {
        var new: UnsafeMutablePointer<Float>
        if isFramed {
            new = try exchange.decodeFrame(round, peerIndex: peerIndex, count: range.count, content: content)
            if isWeights {
                let base = presentWords(range)
                if rounds {
                    neft_delta16_decode(new.words, base, new.words, range.count)
                } else {
                    neft_delta_decode(new.words, base, new.words, range.count)
                }
            }
            if rounds { neft_bf16_widen(new.words, new, range.count) }
        } else {
            new =
                exchange.incomingMessage(round, peerIndex).assumingMemoryBound(to: Float.self)
                + frame * PlaneCodec.frameValues
        }
        write(range, new)
        if let node = exchange.node { layOpen(range, new, round, node) }
    }

    /// Copies values to where the group can read them.
    private func layOpen(
        _ range: Range<Int>, _ new: UnsafePointer<Float>, _ round: ExchangeRound, _ node: NodeMemory
    ) {
        let start = exchange.slices.bucket(round.bucket).lowerBound
        (node.slot(of: exchange.place, round.number) + (range.lowerBound - start)).update(from: new, count: range.count)
    }

    /// Takes what the others of the group have received or own: one slice per piece.
    private func readGroup(_ round: ExchangeRound, _ node: NodeMemory, piece: Int) -> PieceOfWork {
        if piece == 0 {
            node.publish(round.number)
            return .worked
        }
        if piece == 1 { return node.isPublished(round.number) ? .worked : .blocked }
        let index = piece - 2
        guard index < exchange.communicator.size else {
            node.release(round.number)
            return .finished
        }
        let place = index % exchange.groupSize
        let slice = exchange.slices.slice(round.bucket, of: index)
        guard place != exchange.place, !slice.isEmpty else { return .worked }
        let start = exchange.slices.bucket(round.bucket).lowerBound
        write(slice, node.slot(of: place, round.number) + (slice.lowerBound - start))
        return .worked
    }
}
