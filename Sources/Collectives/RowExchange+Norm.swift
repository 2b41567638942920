extension RowExchange {
    /// The L2 norm of the summed gradient: the root of the sum of its squares over all ranks.
    ///
    /// Collective. Each block of `SliceLayout.blockValues` is summed by its owner in double precision, then the blocks
    /// by a fixed tree, so every rank gets the same bits, whatever the number of ranks and the options.
    /// - Parameter gradient: `[count]`, as `reduce` left it.
    public func norm(_ gradient: UnsafeMutableBufferPointer<Float>) -> Double {
        precondition(gradient.count == count, "norm: \(gradient.count) values, not \(count)")
        guard let base = gradient.baseAddress, count > 0 else { return 0 }
        let own = options.mode == .allreduce ? 0..<slices.blockCount : slices.blocks(of: communicator.rank)
        for block in own {
            let start = block * SliceLayout.blockValues
            blockSquares[block] = squareSum(base + start, count: min(SliceLayout.blockValues, count - start))
        }
        if options.mode == .sharded { shareBlockSquares() }
        return treeSum(0..<slices.blockCount).squareRoot()
    }

    private func shareBlockSquares() {
        let start = ContinuousClock.now
        sends.removeAll(keepingCapacity: true)
        receives.removeAll(keepingCapacity: true)
        let squares = UnsafeMutableRawBufferPointer(blockSquares)
        func bytes(of rank: Int) -> UnsafeMutableRawBufferPointer {
            let blocks = slices.blocks(of: rank)
            return .init(rebasing: squares[blocks.lowerBound * 8..<blocks.upperBound * 8])
        }
        let own = UnsafeRawBufferPointer(bytes(of: communicator.rank))
        for peer in peers {
            sends.append((peer, own))
            receives.append((peer, bytes(of: peer)))
        }
        communicator.exchange(sends: sends, receives: receives)
        record {
            $0.rawBytes += own.count * peers.count
            $0.wireBytes += own.count * peers.count
            $0.waitSeconds += (ContinuousClock.now - start).seconds
        }
    }

    private func treeSum(_ blocks: Range<Int>) -> Double {
        if blocks.count == 1 { return blockSquares[blocks.lowerBound] }
        let middle = LeafTree.middle(of: blocks)
        return treeSum(blocks.lowerBound..<middle) + treeSum(middle..<blocks.upperBound)
    }
}

/// The sum of the squares of `count` values, in double precision and a fixed order: four interleaved sums.
func squareSum(_ values: UnsafePointer<Float>, count: Int) -> Double {
    var sums = SIMD4<Double>()
    var index = 0
    while index + 4 <= count {
        let next = SIMD4(
            Double(values[index]), Double(values[index + 1]), Double(values[index + 2]), Double(values[index + 3]))
        sums += next * next
        index += 4
    }
    var lane = 0
    while index < count {
        let next = Double(values[index])
        sums[lane] += next * next
        index += 1
        lane += 1
    }
    return (sums[0] + sums[1]) + (sums[2] + sums[3])
}
