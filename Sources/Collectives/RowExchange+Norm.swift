extension RowExchange {
    /// The L2 norm of the summed gradient: the root of the sum of its squares over all ranks.
    ///
    /// Collective. Each block of `SliceLayout.blockValues` is summed by its owner in double precision, then the blocks
    /// by a fixed tree, so every rank gets the same bits, whatever the number of ranks and the options.
    /// - Parameter gradient: `[count]`, as `reduce` left it.
    public func norm(_ gradient: UnsafeMutableBufferPointer<Float>) -> Double {
        precondition(gradient.count == count, "norm: \(gradient.count) values, not \(count)")
        guard let base = gradient.baseAddress, count > 0 else { return 0 }
        for range in owned {
            for start in stride(from: range.lowerBound, to: range.upperBound, by: SliceLayout.blockValues) {
                let values = min(SliceLayout.blockValues, range.upperBound - start)
                blockSquares[start / SliceLayout.blockValues] = squareSum(base + start, count: values)
            }
        }
        if options.mode == .sharded && communicator.size > 1 { shareBlockSquares() }
        return treeSum(0..<slices.blockCount).squareRoot()
    }

    private func shareBlockSquares() {
        let start = ContinuousClock.now
        let (size, rank) = (communicator.size, communicator.rank)
        // Every rank's sums one after another, those of a rank in the order of its blocks.
        var ends = [0]
        for other in 0..<size {
            let blocks = (0..<slices.bucketCount).reduce(0) { $0 + slices.blocks(ofBucket: $1, of: other).count }
            ends.append(ends[other] + blocks)
        }
        let bytes = UnsafeMutableRawBufferPointer(gatheredSquares)
        func part(_ rank: Int) -> UnsafeMutableRawBufferPointer {
            .init(rebasing: bytes[ends[rank] * 8..<ends[rank + 1] * 8])
        }
        func forEachBlock(of rank: Int, _ body: (_ block: Int, _ index: Int) -> Void) {
            var index = ends[rank]
            for bucket in 0..<slices.bucketCount {
                for block in slices.blocks(ofBucket: bucket, of: rank) {
                    body(block, index)
                    index += 1
                }
            }
        }
        forEachBlock(of: rank) { block, index in gatheredSquares[index] = blockSquares[block] }
        sends.removeAll(keepingCapacity: true)
        receives.removeAll(keepingCapacity: true)
        for peer in 1..<size {
            sends.append(((rank + peer) % size, UnsafeRawBufferPointer(part(rank))))
            receives.append(((rank + peer) % size, part((rank + peer) % size)))
        }
        communicator.exchange(sends: sends, receives: receives)
        for other in 0..<size where other != rank {
            forEachBlock(of: other) { block, index in blockSquares[block] = gatheredSquares[index] }
        }
        let sent = part(rank).count * (size - 1)
        statistics.rawBytes += sent
        statistics.wireBytes += sent
        statistics.waitSeconds += (ContinuousClock.now - start).seconds
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
