extension RowExchange {
    /// Whose values go where in one of the two phases.
    enum Route {
        /// Each rank's partial sums go to the slices' owners.
        case toOwners(SumOrder)
        /// Each owner's slice goes to all; one message for every peer.
        case toAll

        var sharesMessage: Bool { if case .toAll = self { true } else { false } }
    }

    /// The values that go to a peer in a round; empty: no message.
    func outgoing(_ route: Route, _ round: Int, _ peerIndex: Int) -> Range<Int> {
        switch route {
        case .toOwners(let order):
            order.hasLeaves[communicator.rank] ? part(round, of: peers[peerIndex]) : 0..<0
        case .toAll: part(round, of: communicator.rank)
        }
    }

    /// The values that come from a peer in a round.
    func incoming(_ route: Route, _ round: Int, _ peerIndex: Int) -> Range<Int> {
        switch route {
        case .toOwners(let order):
            order.hasLeaves[peers[peerIndex]] ? part(round, of: communicator.rank) : 0..<0
        case .toAll: part(round, of: peers[peerIndex])
        }
    }

    /// Works through all rounds: a round's messages travel while the next round is coded and the last one is used.
    /// - Parameters:
    ///   - plain: where the values of a range are that goes out; sent from there when no codec is used.
    ///   - encode: codes piece `piece` of a round's outgoing messages, in order; `false` past the last one.
    ///   - consume: uses piece `piece` of what has come in a round, in order; `false` past the last one.
    func run(
        _ route: Route, plain: (Range<Int>) -> UnsafePointer<Float>,
        encode: (_ round: Int, _ piece: Int) -> Bool,
        consume: (_ round: Int, _ piece: Int) throws(CollectiveError) -> Bool
    ) throws(CollectiveError) {
        let start = ContinuousClock.now
        var encodeTime = Duration.zero
        var consumeTime = Duration.zero

        func encodePiece(_ round: Int, _ piece: Int) -> Bool {
            let begin = ContinuousClock.now
            defer { encodeTime += ContinuousClock.now - begin }
            return encode(round, piece)
        }
        func consumePiece(_ round: Int, _ piece: Int) throws(CollectiveError) -> Bool {
            let begin = ContinuousClock.now
            defer { consumeTime += ContinuousClock.now - begin }
            return try consume(round, piece)
        }

        if options.isCoded && rounds > 0 {
            clearMessages(round: 0)
            var piece = 0
            while encodePiece(0, piece) { piece += 1 }
        }
        for round in 0..<rounds {
            var failure: CollectiveError?
            var mayConsume = round > 0
            var consumed = 0
            var mayEncode = options.isCoded && round + 1 < rounds
            var encoded = 0
            func work() -> Bool {
                if mayConsume {
                    do throws(CollectiveError) {
                        mayConsume = try consumePiece(round - 1, consumed)
                        consumed += 1
                    } catch {
                        failure = error
                        mayConsume = false
                    }
                } else if mayEncode {
                    mayEncode = encodePiece(round + 1, encoded)
                    encoded += 1
                }
                return mayConsume || mayEncode
            }
            if mayEncode { clearMessages(round: round + 1) }
            if options.isCoded { exchangeSizes(route, round: round) }
            try prepareTransfers(route, round: round, plain: plain)
            communicator.exchange(sends: sends, receives: receives, meanwhile: work)
            while work() {}
            if let failure { throw failure }
        }
        if rounds > 0 {
            var piece = 0
            while try consumePiece(rounds - 1, piece) { piece += 1 }
        }
        let total = ContinuousClock.now - start
        record {
            $0.encodeSeconds += encodeTime.seconds
            $0.decodeSeconds += consumeTime.seconds
            $0.waitSeconds += (total - encodeTime - consumeTime).seconds
        }
    }

    /// The round's messages are about to be written anew.
    private func clearMessages(round: Int) {
        for peerIndex in peers.indices { outgoingBytes[messageIndex(round, peerIndex)] = 0 }
    }

    /// Tells the peers the sizes of this round's coded messages and learns theirs.
    private func exchangeSizes(_ route: Route, round: Int) {
        sends.removeAll(keepingCapacity: true)
        receives.removeAll(keepingCapacity: true)
        let width = MemoryLayout<Int>.size
        outgoingBytes.withUnsafeBytes { sizes in
            incomingBytes.withUnsafeMutableBytes { expected in
                for (peerIndex, peer) in peers.enumerated() {
                    let index = messageIndex(round, peerIndex)
                    if !outgoing(route, round, peerIndex).isEmpty {
                        let source = route.sharesMessage ? messageIndex(round, 0) : index
                        sends.append((peer, .init(rebasing: sizes[source * width..<(source + 1) * width])))
                    }
                    if !incoming(route, round, peerIndex).isEmpty {
                        receives.append((peer, .init(rebasing: expected[index * width..<(index + 1) * width])))
                    }
                }
                communicator.exchange(sends: sends, receives: receives)
            }
        }
        let sent = sends.count * width
        record { $0.wireBytes += sent }
    }

    /// Fills `sends` and `receives` with the round's messages.
    private func prepareTransfers(
        _ route: Route, round: Int, plain: (Range<Int>) -> UnsafePointer<Float>
    ) throws(CollectiveError) {
        sends.removeAll(keepingCapacity: true)
        receives.removeAll(keepingCapacity: true)
        var raw = 0
        var wire = 0
        for (peerIndex, peer) in peers.enumerated() {
            let index = messageIndex(round, peerIndex)
            let out = outgoing(route, round, peerIndex)
            if !out.isEmpty {
                let message =
                    options.isCoded
                    ? UnsafeRawBufferPointer(
                        start: outgoingMessage(round, route.sharesMessage ? 0 : peerIndex),
                        count: outgoingBytes[route.sharesMessage ? messageIndex(round, 0) : index])
                    : UnsafeRawBufferPointer(start: plain(out), count: out.count * 4)
                sends.append((peer, message))
                raw += out.count * 4
                wire += message.count
            }
            let expected = incoming(route, round, peerIndex)
            decodedBytes[index] = 0
            guard !expected.isEmpty else { continue }
            if !options.isCoded { incomingBytes[index] = expected.count * 4 }
            guard incomingBytes[index] > 0 && incomingBytes[index] <= messageBytes else {
                throw CollectiveError(
                    subject: "message from rank \(peer)", found: "a size of \(incomingBytes[index]) bytes",
                    expected: "1 to \(messageBytes)", hint: "do all ranks run the same version and options?")
            }
            receives.append((peer, .init(start: incomingMessage(round, peerIndex), count: incomingBytes[index])))
        }
        record {
            $0.rawBytes += raw
            $0.wireBytes += wire
        }
    }

    /// Decodes the next frame of a peer's message into its place in `frames`.
    func decodeFrame(round: Int, peerIndex: Int, count: Int, content: FrameHeader.Content)
        throws(CollectiveError) -> UnsafeMutablePointer<Float>
    {
        let index = messageIndex(round, peerIndex)
        let done = decodedBytes[index]
        let target = frames.pointer + peerIndex * PlaneCodec.frameValues
        let rest = UnsafeRawBufferPointer(
            start: incomingMessage(round, peerIndex) + done, count: incomingBytes[index] - done)
        decodedBytes[index] += try codec.decode(
            rest, count: count, content: content, to: target.words, sender: peers[peerIndex])
        return target
    }
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
