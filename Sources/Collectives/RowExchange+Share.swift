import CKernels

extension RowExchange {
    /// Sends the owners' new values to all ranks, so that each holds all of them, exactly.
    ///
    /// In mode `allreduce` every rank has them all already, and nothing is sent.
    /// - Parameters:
    ///   - newValues: `[owned.count]`, the new values of `owned`; any bit patterns.
    ///   - read: copies the present values of a range to `[range.count]` floats. They must be the same on all ranks.
    ///     Called for ranges that have not been written yet in this call, at most `PlaneCodec.frameValues` long.
    ///   - write: takes the new values of a range. Each value is written once, the own ones too.
    /// - Throws: `CollectiveError` if a message arrives damaged.
    public func share(
        _ newValues: UnsafeBufferPointer<Float>,
        read: (_ range: Range<Int>, _ into: UnsafeMutablePointer<Float>) -> Void,
        write: (_ range: Range<Int>, _ values: UnsafePointer<Float>) -> Void
    ) throws(CollectiveError) {
        precondition(newValues.count == owned.count, "share: \(newValues.count) new values, not \(owned.count)")
        let start = owned.lowerBound
        if options.mode == .sharded && rounds > 0 {
            try gather(
                content: .delta,
                plain: { range in
                    // Only asked for ranges of the own slice, which is then not empty.
                    newValues.baseAddress! + (range.lowerBound - start)
                }, read: read, write: write)
        }
        if let base = newValues.baseAddress, !owned.isEmpty { write(owned, base) }
    }

    /// Sends each rank's slice to all others.
    /// - Parameters:
    ///   - content: what is coded: the values, or their difference from those that `read` gives.
    ///   - plain: where the values of a range of the own slice are.
    ///   - read: the present values; not called for `gradient`.
    ///   - write: takes the values of a range of another rank's slice.
    func gather(
        content: FrameHeader.Content, plain: (Range<Int>) -> UnsafePointer<Float>,
        read: (Range<Int>, UnsafeMutablePointer<Float>) -> Void,
        write: (Range<Int>, UnsafePointer<Float>) -> Void
    ) throws(CollectiveError) {
        try run(
            .toAll, plain: plain,
            encode: { round, piece in
                let values = frame(piece, of: part(round, of: communicator.rank))
                guard !values.isEmpty else { return false }
                let index = messageIndex(round, 0)
                var words = plain(values).words
                if content == .delta {
                    read(values, present.pointer)
                    neft_delta_encode(words, present.pointer.words, present.pointer.words, values.count)
                    words = UnsafePointer(present.pointer.words)
                }
                outgoingBytes[index] += codec.encode(
                    words, count: values.count, content: content, to: outgoingMessage(round, 0) + outgoingBytes[index])
                return true
            },
            consume: { (round, piece) throws(CollectiveError) in
                let peerIndex = piece / framesPerRound
                guard peerIndex < peers.count else { return false }
                let values = frame(piece % framesPerRound, of: part(round, of: peers[peerIndex]))
                guard !values.isEmpty else { return true }
                guard options.isCoded else {
                    let message = incomingMessage(round, peerIndex).assumingMemoryBound(to: Float.self)
                    write(values, message + (piece % framesPerRound) * PlaneCodec.frameValues)
                    return true
                }
                let decoded = try decodeFrame(round: round, peerIndex: peerIndex, count: values.count, content: content)
                if content == .delta {
                    read(values, present.pointer)
                    neft_delta_decode(decoded.words, present.pointer.words, decoded.words, values.count)
                }
                write(values, decoded)
                return true
            })
    }
}
