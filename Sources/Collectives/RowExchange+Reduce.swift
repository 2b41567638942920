extension RowExchange {
    /// Sums the ranks' gradients. Each rank holds the sum of its own leaves, added in tree order (`LeafAccumulator`).
    ///
    /// - Parameters:
    ///   - gradient: `[count]`. Afterwards the values in `owned` are the sums over all leaves; the others are of no
    ///     meaning. What a rank without leaves passes in is not read.
    ///   - leafCount: leaves over all ranks; `LeafTree(count: leafCount, size:)` says which rank has which.
    /// - Throws: `CollectiveError` if a message arrives damaged.
    public func reduce(_ gradient: UnsafeMutableBufferPointer<Float>, leafCount: Int) throws(CollectiveError) {
        precondition(gradient.count == count, "reduce: \(gradient.count) values, not \(count)")
        guard let base = gradient.baseAddress, rounds > 0 else { return }
        try reduceScatter(base, order: order(leafCount: leafCount))
        guard options.mode == .allreduce else { return }
        try gather(
            content: .gradient, plain: { UnsafePointer(base + $0.lowerBound) }, read: { _, _ in },
            write: { (base + $0.lowerBound).update(from: $1, count: $0.count) })
    }

    private func order(leafCount: Int) -> SumOrder {
        if let sumOrder, sumOrder.leafCount == leafCount { return sumOrder }
        let order = SumOrder(LeafTree(count: leafCount, size: communicator.size))
        sumOrder = order
        return order
    }

    /// Leaves the sum of each rank's slice in its place in `gradient`.
    private func reduceScatter(_ gradient: UnsafeMutablePointer<Float>, order: SumOrder) throws(CollectiveError) {
        let route = Route.toOwners(order)
        try run(
            route, plain: { UnsafePointer(gradient + $0.lowerBound) },
            encode: { round, piece in
                let peerIndex = piece / framesPerRound
                guard peerIndex < peers.count else { return false }
                let values = frame(piece % framesPerRound, of: outgoing(route, round, peerIndex))
                guard !values.isEmpty else { return true }
                let index = messageIndex(round, peerIndex)
                outgoingBytes[index] += codec.encode(
                    (gradient + values.lowerBound).words, count: values.count, content: .gradient,
                    to: outgoingMessage(round, peerIndex) + outgoingBytes[index])
                return true
            },
            consume: { (round, piece) throws(CollectiveError) in
                let values = frame(piece, of: part(round, of: communicator.rank))
                guard !values.isEmpty else { return false }
                try sumFrame(values, round: round, piece: piece, into: gradient + values.lowerBound, order: order)
                return true
            })
    }

    /// Sums one frame of the own slice over all ranks into `target`, which holds the own partial sum.
    private func sumFrame(
        _ values: Range<Int>, round: Int, piece: Int, into target: UnsafeMutablePointer<Float>,
        order: SumOrder
    ) throws(CollectiveError) {
        partials[communicator.rank] = target
        for (peerIndex, peer) in peers.enumerated() where order.hasLeaves[peer] {
            partials[peer] =
                options.isCoded
                ? try decodeFrame(round: round, peerIndex: peerIndex, count: values.count, content: .gradient)
                : incomingMessage(round, peerIndex).assumingMemoryBound(to: Float.self)
                    + piece * PlaneCodec.frameValues
        }
        for (into, from) in order.additions {
            guard let into = partials[into], let from = partials[from] else { preconditionFailure("no partial sum") }
            addPartialSum(into, from, count: values.count)
        }
        guard let total = partials[order.total] else { preconditionFailure("no partial sum") }
        if total != target { target.update(from: total, count: values.count) }
    }
}
