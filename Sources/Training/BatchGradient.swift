import Collectives
import Foundation
import Kernels
import Models

/// The gradient of a whole global batch, summed over its micro-batches and over the ranks in the order of one tree.
///
/// Gradients are on their way to the other ranks while the last micro-batch's backward pass goes on, last layer first. New
/// weights of the step before (`RowExchange.startShare`, in `readiness.forwardOrder`) may still be on their way when a step
/// begins: the first micro-batch's forward pass waits for those of a layer when it comes to it.
///
/// Holds the packed gradient and ⌈log₂ n⌉ partial sums of its size, where n is this rank's number of micro-batches.
final class BatchGradient {
    struct Outcome {
        /// Mean loss of the batch's target tokens, nats; the same bits on every rank and for any number of ranks.
        let loss: Double
        /// This rank's own micro-batches, without waiting for weights.
        let computeSeconds: Double
        /// Waiting for weights, and exchanging losses and gradients after the computation, waiting for slower ranks
        /// included.
        let exchangeSeconds: Double
        /// Whether a rank has been asked to stop; the same on every rank.
        let stop: StopRequest?
    }

    let exchange: RowExchange
    private let model: any LanguageModel
    private let trainable: TrainableRows
    private let communicator: any Communicator
    private let timeline: Timeline
    private let storage: TensorStorage
    private let accumulator: LeafAccumulator
    private var leafLosses: [Double] = []
    let readiness: BucketReadiness
    /// Buckets of `readiness.forwardOrder` whose weights are known to be in place.
    private var arrived = 0
    /// What this step's computation waited for weights.
    private var waited = Duration.zero
    private var failure: CollectiveError?

    /// `maxMicroBatches`: the most that `compute` will be given, over all ranks.
    /// `bucketValues`: see `SliceLayout`.
    /// `timeline`: gets what is waited for.
    init(
        model: any LanguageModel, trainable: TrainableRows, communicator: any Communicator, options: ExchangeOptions,
        maxMicroBatches: Int, bucketValues: Int? = nil, timeline: Timeline = Timeline()
    ) {
        self.timeline = timeline
        self.model = model
        self.trainable = trainable
        self.communicator = communicator
        exchange = RowExchange(
            communicator: communicator, count: trainable.count, options: options, bucketValues: bucketValues)
        readiness = BucketReadiness(exchange.slices, trainable: trainable, model: model)
        storage = TensorStorage(count: trainable.count)
        let size = communicator.size
        accumulator = LeafAccumulator(count: trainable.count, maxLeaves: (maxMicroBatches + size - 1) / size)
    }

    /// `[trainable.count]`; the values in `exchange.owned` are of meaning after `compute`.
    var gradient: UnsafeMutableBufferPointer<Float> { storage.buffer }

    /// Collective. Overwrites `gradient`.
    /// `header`: travels with the losses.
    func compute(_ step: TrainingStep, header: StepHeader = StepHeader()) throws(CollectiveError) -> Outcome {
        let start = ContinuousClock.now
        let leaves = LeafTree(count: step.microBatchCount, size: communicator.size).leaves(of: communicator.rank)
        let lossScale = Float(1 / Double(step.targetTokens))
        leafLosses.removeAll(keepingCapacity: true)
        (arrived, waited) = (0, .zero)
        accumulate(leaves, of: step, lossScale: lossScale)
        let computed = ContinuousClock.now
        if let failure { throw failure }
        let waiting = timeline.mark
        if communicator.size > 1 { try exchange.finishReduce() }
        let (lossSum, stop) = try sumOfLosses(header)
        if communicator.size > 1 { timeline.note("wait for gradients", since: waiting) }
        let loss = lossSum / Double(step.targetTokens)
        return Outcome(
            loss: loss, computeSeconds: (computed - start - waited).inSeconds,
            exchangeSeconds: (ContinuousClock.now - computed + waited).inSeconds, stop: stop)
    }

    /// Waits for the weights of `layer` and those below. Before the first gradient, with `layerCount`, until nothing is on
    /// its way any more (the gradient's buffer is where the new weights are sent from); then gradients can be.
    private func prepare(_ layer: Int, of step: TrainingStep) {
        guard communicator.size > 1 else { return }
        let (start, waiting) = (ContinuousClock.now, timeline.mark)
        while arrived < readiness.forwardOrder.count, readiness.layers[readiness.forwardOrder[arrived]] <= layer {
            exchange.waitForShared(bucket: readiness.forwardOrder[arrived])
            arrived += 1
        }
        if layer == model.layerCount {
            do throws(CollectiveError) {
                try exchange.finishShare()
                exchange.startReduce(gradient, leafCount: step.microBatchCount, order: readiness.backwardOrder)
            } catch {
                failure = error
            }
        }
        waited += ContinuousClock.now - start
        timeline.note("wait for weights", layer: layer < 0 || layer == model.layerCount ? nil : layer, since: waiting)
    }

    /// Sums the gradients of this rank's micro-batches and releases them to the exchange, bucket by bucket.
    private func accumulate(_ leaves: Range<Int>, of step: TrainingStep, lossScale: Float) {
        var released = 0
        func release(downTo layer: Int) {
            while released < readiness.backwardOrder.count {
                let bucket = readiness.backwardOrder[released]
                guard readiness.layers[bucket] >= layer else { return }
                if !leaves.isEmpty { accumulator.addLast(exchange.slices.bucket(bucket), into: gradient) }
                exchange.gradientIsReady(bucket: bucket)
                released += 1
            }
        }
        func compute(
            _ leaf: Int, into: UnsafeMutableBufferPointer<Float>, onLayerGradient: (_ layer: Int) -> Void = { _ in }
        ) {
            leafLosses.append(
                model.forwardBackward(
                    step.microBatch(leaf), trainable: trainable, lossScale: lossScale, gradient: into,
                    beforeLayer: { if leaf == leaves.first { prepare($0, of: step) } },
                    onLayerGradient: onLayerGradient))
        }
        if let last = leaves.last {
            let place = accumulator.sumAllButLast(leaves: leaves, into: gradient) { compute($0, into: $1) }
            compute(last, into: place, onLayerGradient: release(downTo:))
        } else {
            prepare(model.layerCount, of: step)
        }
        release(downTo: BucketReadiness.belowAllLayers)
    }

    /// All leaves' losses in leaf order: ranks hold ascending ranges of leaves.
    private func sumOfLosses(_ header: StepHeader) throws(CollectiveError) -> (sum: Double, stop: StopRequest?) {
        let all = communicator.allGather(header.bytes + leafLosses.withUnsafeBytes { Array($0) })
        let stop = try header.agree(with: all.map { StepHeader($0) }, over: communicator)
        var sum = 0.0
        for bytes in all { Array(bytes.dropFirst(StepHeader.byteCount)).forEachDouble { sum += $0 } }
        return (sum, stop)
    }
}

extension [UInt8] {
    /// The values whose bytes these are.
    func forEachDouble(_ body: (Double) -> Void) {
        let width = MemoryLayout<Double>.size
        precondition(count % width == 0, "a message of \(count) bytes holds no whole numbers")
        withUnsafeBytes { raw in
            for offset in stride(from: 0, to: raw.count, by: width) {
                body(raw.loadUnaligned(fromByteOffset: offset, as: Double.self))
            }
        }
    }
}

extension Duration {
    var inSeconds: Double { self / .seconds(1) }
}
