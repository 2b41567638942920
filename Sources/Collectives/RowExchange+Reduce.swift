import CKernels

extension RowExchange {
    /// Sums the ranks' gradients. Each rank holds the sum of its own leaves, added in tree order (`LeafAccumulator`).
    ///
    /// - Parameters:
    ///   - gradient: `[count]`. Afterwards the values in `owned` are the sums over all leaves; the others are of no
    ///     meaning. What a rank without leaves passes in is not read.
    ///   - leafCount: leaves over all ranks; `LeafTree(count: leafCount, size:)` says which rank has which.
    /// - Throws: `CollectiveError` if a message arrives damaged.
    public func reduce(_ gradient: UnsafeMutableBufferPointer<Float>, leafCount: Int) throws(CollectiveError) {
        gate.openAll()
        try reduceWhenReady(gradient, leafCount: leafCount, order: Array(0..<slices.bucketCount))
        weightCodec = weightChoice
    }

    /// The same on a thread of its own, while the gradient is still being computed: a bucket is sent when
    /// `gradientIsReady` has said that it is complete. Until `finishReduce` has returned, `gradient` is not to be
    /// touched but for buckets that are not ready yet, and the communicator is not to be used.
    /// - Parameters:
    ///   - gradient: this rank's, `[count]`.
    ///   - leafCount: micro-batches of the step, over all ranks.
    ///   - order: every bucket of `slices` once, in the order in which they are sent; the same on all ranks.
    public func startReduce(_ gradient: UnsafeMutableBufferPointer<Float>, leafCount: Int, order: [Int]) {
        precondition(order.sorted() == Array(0..<slices.bucketCount), "startReduce: not every bucket once")
        precondition(!isSharing, "startReduce: weights are on their way")
        gate.closeAll()
        nonisolated(unsafe) let (exchange, gradient) = (self, gradient)
        thread.start {
            do throws(CollectiveError) {
                try exchange.reduceWhenReady(gradient, leafCount: leafCount, order: order)
            } catch {
                exchange.failure = error
            }
        }
    }

    /// The values of a bucket will not change any more.
    public func gradientIsReady(bucket: Int) { gate.open(bucket) }

    /// Waits for the end of what `startReduce` began. Every bucket must be ready.
    public func finishReduce() throws(CollectiveError) {
        thread.wait()
        if let failure { throw failure }
        weightCodec = weightChoice
    }

    private func reduceWhenReady(
        _ gradient: UnsafeMutableBufferPointer<Float>, leafCount: Int, order: [Int]
    ) throws(CollectiveError) {
        precondition(gradient.count == count, "reduce: \(gradient.count) values, not \(count)")
        guard let base = gradient.baseAddress, communicator.size > 1 else { return }
        if leafTree?.count != leafCount { leafTree = LeafTree(count: leafCount, size: communicator.size) }
        let before = statistics.wireBytes
        let pass = ReducePass(
            self, gradient: base, tree: leafTree!, isCoded: gradientCodec.next(communicator))
        gradientCodec.note(seconds: try run(pass, order: order))
        statistics.reduceWireBytes += statistics.wireBytes - before
        guard options.mode == .allreduce else { return }
        try gather(
            base, order: order, isWeights: false, read: { _, _ in },
            write: { (base + $0.lowerBound).update(from: $1, count: $0.count) })
    }
}

/// Partial sums go to the owners of the values, who add them.
private final class ReducePass: ExchangePass {
    let isFramed: Bool
    let sharesMessage = false

    private let exchange: RowExchange
    private let gradient: UnsafeMutablePointer<Float>
    private let isCoded: Bool
    private let content: FrameHeader.Content
    private let rounds: Bool
    /// The sum over this rank's group, and over the groups.
    private let inGroup: SumOrder
    private let overGroups: SumOrder
    /// Groups whose values this rank sums or codes, in the order of the pieces.
    private let targets: [Int]
    private var partials: [UnsafeMutablePointer<Float>?]

    init(_ exchange: RowExchange, gradient: UnsafeMutablePointer<Float>, tree: LeafTree, isCoded: Bool) {
        self.exchange = exchange
        self.gradient = gradient
        self.isCoded = isCoded
        rounds = exchange.options.wire == .bf16
        isFramed = isCoded || rounds
        content = rounds ? .gradient16 : .gradient
        let size = exchange.groupSize
        let own = exchange.group * size
        inGroup = SumOrder(isPresent: (own..<own + size).map(tree.hasLeaves))
        overGroups = SumOrder(
            isPresent: (0..<exchange.groupCount).map { group in
                (group * size..<(group + 1) * size).contains(where: tree.hasLeaves)
            })
        let needsWork = isFramed || size > 1
        targets = !needsWork ? [] : size > 1 ? exchange.peers + [exchange.group] : exchange.peers
        partials = .init(repeating: nil, count: max(size, exchange.groupCount))
    }

    func outgoing(_ round: ExchangeRound, toGroup group: Int) -> Range<Int> {
        overGroups.isPresent[exchange.group] ? exchange.slice(round, ofGroup: group) : 0..<0
    }

    func incoming(_ round: ExchangeRound, fromGroup group: Int) -> Range<Int> {
        overGroups.isPresent[group] ? exchange.slice(round, ofGroup: exchange.group) : 0..<0
    }

    func plain(_ range: Range<Int>) -> UnsafePointer<Float> { UnsafePointer(gradient + range.lowerBound) }

    func prepare(_ round: ExchangeRound, piece: Int) -> PieceOfWork {
        if piece == 0 { return exchange.gate.isOpen(round.bucket) ? .worked : .gated }
        var index = piece - 1
        if let node = exchange.node {
            if piece == 1 {
                guard node.isFree(round.number) else { return .blocked }
                layOpen(round, node)
                return .worked
            }
            if piece == 2 { return node.isPublished(round.number) ? .worked : .blocked }
            index = piece - 3
        }
        guard exchange.framesPerSlice > 0, index < targets.count * exchange.framesPerSlice else {
            exchange.node?.release(round.number)
            return .finished
        }
        let target = index / exchange.framesPerSlice
        let slice = exchange.slice(round, ofGroup: targets[target])
        let values = exchange.frame(index % exchange.framesPerSlice, of: slice)
        guard !values.isEmpty, overGroups.isPresent[exchange.group] else { return .worked }
        if let node = exchange.node { sumGroup(values, round, node) }
        if isFramed && targets[target] != exchange.group { encode(values, round, peerIndex: target) }
        return .worked
    }

    /// Copies the bucket to where the group can read it.
    private func layOpen(_ round: ExchangeRound, _ node: NodeMemory) {
        if inGroup.isPresent[exchange.place] {
            let bucket = exchange.slices.bucket(round.bucket)
            node.slot(of: exchange.place, round.number)
                .update(from: gradient + bucket.lowerBound, count: bucket.count)
        }
        node.publish(round.number)
    }

    /// The group's sum of one frame, to its place in the gradient. No other rank of the group touches these values.
    private func sumGroup(_ values: Range<Int>, _ round: ExchangeRound, _ node: NodeMemory) {
        let offset = values.lowerBound - exchange.slices.bucket(round.bucket).lowerBound
        for place in 0..<exchange.groupSize { partials[place] = node.slot(of: place, round.number) + offset }
        inGroup.add(partials, count: values.count)
        guard let total = inGroup.total, let sum = partials[total] else { return }
        (gradient + values.lowerBound).update(from: sum, count: values.count)
    }

    private func encode(_ values: Range<Int>, _ round: ExchangeRound, peerIndex: Int) {
        var words = UnsafePointer((gradient + values.lowerBound).words)
        if rounds {
            let residual = exchange.residual.baseAddress! + values.lowerBound
            let rounded = exchange.scratch.pointer.words
            neft_bf16_round_with_feedback(gradient + values.lowerBound, residual, rounded, values.count)
            words = UnsafePointer(rounded)
        }
        exchange.encodeFrame(
            round, peerIndex: peerIndex, words: words, count: values.count, content: content, compresses: isCoded)
    }

    func consume(_ round: ExchangeRound, piece: Int) throws(CollectiveError) -> PieceOfWork {
        guard piece < exchange.framesPerSlice else { return .finished }
        let values = exchange.frame(piece, of: exchange.slice(round, ofGroup: exchange.group))
        guard !values.isEmpty else { return .finished }
        let target = gradient + values.lowerBound
        partials[exchange.group] = target
        for (peerIndex, peer) in exchange.peers.enumerated() where overGroups.isPresent[peer] {
            partials[peer] = try received(round, peerIndex: peerIndex, piece: piece, count: values.count)
        }
        overGroups.add(partials, count: values.count)
        if let total = overGroups.total, let sum = partials[total], sum != target {
            target.update(from: sum, count: values.count)
        }
        return .worked
    }

    private func received(
        _ round: ExchangeRound, peerIndex: Int, piece: Int, count: Int
    ) throws(CollectiveError) -> UnsafeMutablePointer<Float> {
        guard isFramed else {
            return exchange.incomingMessage(round, peerIndex).assumingMemoryBound(to: Float.self)
                + piece * PlaneCodec.frameValues
        }
        let decoded = try exchange.decodeFrame(round, peerIndex: peerIndex, count: count, content: content)
        if rounds { neft_bf16_widen(decoded.words, decoded, count) }
        return decoded
    }
}
