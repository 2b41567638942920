/// What is done with a bucket before and after it travels: one direction of the exchange.
protocol ExchangePass: AnyObject {
    /// Whether messages are frames of the codec; else they are plain values, sent from where they are.
    var isFramed: Bool { get }
    /// Whether all peers get the same message.
    var sharesMessage: Bool { get }

    /// The values that go to a group, and that come from it; empty: no message.
    func outgoing(_ round: ExchangeRound, toGroup group: Int) -> Range<Int>
    func incoming(_ round: ExchangeRound, fromGroup group: Int) -> Range<Int>
    /// Where the values of a range that goes out are.
    func plain(_ range: Range<Int>) -> UnsafePointer<Float>

    /// Piece `piece` of what comes before a bucket travels, in order.
    func prepare(_ round: ExchangeRound, piece: Int) -> PieceOfWork
    /// Piece `piece` of what comes after.
    func consume(_ round: ExchangeRound, piece: Int) throws(CollectiveError) -> PieceOfWork
}

extension RowExchange {
    /// Works through the buckets in the given order: a bucket travels while the next is prepared and the last used.
    /// - Returns: seconds it took, without those in which nothing was ready to be sent.
    @discardableResult
    func run(_ pass: some ExchangePass, order: [Int]) throws(CollectiveError) -> Double {
        let start = ContinuousClock.now
        let worker = RoundWorker(exchange: self, pass: pass, order: order)
        roundNumber += UInt64(order.count)
        for index in order.indices {
            try worker.work { worker.prepared <= index || worker.consumed < index - 1 }
            let round = worker.rounds[index]
            if pass.isFramed { exchangeSizes(pass, round, meanwhile: worker.step) }
            try prepareTransfers(pass, round)
            if let failure = worker.failure { throw failure }
            communicator.exchange(sends: sends, receives: receives, meanwhile: worker.step)
            worker.travelled = index + 1
        }
        try worker.work { worker.consumed < order.count }
        let total = (ContinuousClock.now - start).seconds - worker.gateTime.seconds
        statistics.encodeSeconds += worker.prepareTime.seconds
        statistics.decodeSeconds += worker.consumeTime.seconds
        statistics.waitSeconds += total - worker.prepareTime.seconds - worker.consumeTime.seconds
        statistics.gateSeconds += worker.gateTime.seconds
        return total
    }

    /// Tells the peers the sizes of this round's coded messages and learns theirs.
    private func exchangeSizes(
        _ pass: some ExchangePass, _ round: ExchangeRound, meanwhile: () -> PieceOfWork
    ) {
        sends.removeAll(keepingCapacity: true)
        receives.removeAll(keepingCapacity: true)
        let width = MemoryLayout<Int>.size
        for (peerIndex, peer) in peers.enumerated() {
            let index = messageIndex(round, peerIndex)
            if !pass.outgoing(round, toGroup: peer).isEmpty {
                let source = pass.sharesMessage ? messageIndex(round, 0) : index
                sends.append(
                    (
                        rank(inGroup: peer),
                        UnsafeRawBufferPointer(start: outgoingBytes.baseAddress! + source, count: width)
                    ))
            }
            if !pass.incoming(round, fromGroup: peer).isEmpty {
                let target = UnsafeMutableRawBufferPointer(start: incomingBytes.baseAddress! + index, count: width)
                receives.append((rank(inGroup: peer), target))
            }
        }
        communicator.exchange(sends: sends, receives: receives, meanwhile: meanwhile)
        statistics.wireBytes += sends.count * width
    }

    /// Fills `sends` and `receives` with the round's messages.
    private func prepareTransfers(_ pass: some ExchangePass, _ round: ExchangeRound) throws(CollectiveError) {
        sends.removeAll(keepingCapacity: true)
        receives.removeAll(keepingCapacity: true)
        var (raw, wire) = (0, 0)
        for (peerIndex, peer) in peers.enumerated() {
            let index = messageIndex(round, peerIndex)
            let out = pass.outgoing(round, toGroup: peer)
            if !out.isEmpty {
                let source = pass.sharesMessage ? 0 : peerIndex
                let message =
                    pass.isFramed
                    ? UnsafeRawBufferPointer(
                        start: outgoingMessage(round, source), count: outgoingBytes[messageIndex(round, source)])
                    : UnsafeRawBufferPointer(start: pass.plain(out), count: out.count * 4)
                sends.append((rank(inGroup: peer), message))
                raw += out.count * 4
                wire += message.count
            }
            let expected = pass.incoming(round, fromGroup: peer)
            decodedBytes[index] = 0
            guard !expected.isEmpty else { continue }
            if !pass.isFramed { incomingBytes[index] = expected.count * 4 }
            guard incomingBytes[index] > 0 && incomingBytes[index] <= messageBytes else {
                throw CollectiveError(
                    subject: "message from rank \(rank(inGroup: peer))",
                    found: "a size of \(incomingBytes[index]) bytes", expected: "1 to \(messageBytes)",
                    hint: "do all ranks run the same version and options?")
            }
            let target = UnsafeMutableRawBufferPointer(
                start: incomingMessage(round, peerIndex), count: incomingBytes[index])
            receives.append((rank(inGroup: peer), target))
        }
        statistics.rawBytes += raw
        statistics.wireBytes += wire
    }
}

/// Prepares and uses buckets piece by piece, whenever there is time for it.
private final class RoundWorker<Pass: ExchangePass> {
    let rounds: [ExchangeRound]
    /// Buckets that have been prepared, that have travelled, that have been used.
    var prepared = 0
    var travelled = 0
    var consumed = 0
    var prepareTime = Duration.zero
    var consumeTime = Duration.zero
    /// Waiting for this rank's own gradients.
    var gateTime = Duration.zero

    private let exchange: RowExchange
    private let pass: Pass
    private var preparePiece = 0
    private var consumePiece = 0
    private(set) var failure: CollectiveError?

    init(exchange: RowExchange, pass: Pass, order: [Int]) {
        self.exchange = exchange
        self.pass = pass
        rounds = order.enumerated().map { index, bucket in
            ExchangeRound(bucket: bucket, half: index & 1, number: exchange.roundNumber + UInt64(index) + 1)
        }
    }

    /// Works, or waits where there is nothing to do yet, as long as `isNeeded`.
    func work(while isNeeded: () -> Bool) throws(CollectiveError) {
        var pacing = PollPacing()
        while isNeeded() {
            let start = ContinuousClock.now
            let state = step()
            if let failure { throw failure }
            if state == .worked {
                pacing.progressed()
                continue
            }
            exchange.communicator.progress()
            pacing.idle(isResting: state == .gated)
            if state == .gated { gateTime += ContinuousClock.now - start }
        }
        if let failure { throw failure }
    }

    /// One piece: of what has arrived first, then of what travels next.
    func step() -> PieceOfWork {
        guard failure == nil else { return .finished }
        var state = PieceOfWork.finished
        if consumed < travelled {
            state = consume()
            if state == .worked { return .worked }
        }
        // A message buffer is free again when the bucket before the last has travelled.
        if prepared < rounds.count, prepared <= travelled + 1 {
            let other = prepare()
            if other != .finished { state = other }
        }
        return state
    }

    private func prepare() -> PieceOfWork {
        let start = ContinuousClock.now
        if preparePiece == 0 {
            for peerIndex in exchange.peers.indices {
                exchange.outgoingBytes[exchange.messageIndex(rounds[prepared], peerIndex)] = 0
            }
        }
        let state = pass.prepare(rounds[prepared], piece: preparePiece)
        prepareTime += ContinuousClock.now - start
        switch state {
        case .worked: preparePiece += 1
        case .blocked, .gated: return state
        case .finished:
            prepared += 1
            preparePiece = 0
        }
        return .worked
    }

    private func consume() -> PieceOfWork {
        let start = ContinuousClock.now
        defer { consumeTime += ContinuousClock.now - start }
        do throws(CollectiveError) {
            let state = try pass.consume(rounds[consumed], piece: consumePiece)
            switch state {
            case .worked: consumePiece += 1
            case .blocked, .gated: return state
            case .finished:
                consumed += 1
                consumePiece = 0
            }
            return .worked
        } catch {
            failure = error
            return .finished
        }
    }
}
