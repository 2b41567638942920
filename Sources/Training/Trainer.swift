import Collectives
import Kernels
import Models

/// Trains the chosen rows of a model, data-parallel over the ranks of a communicator.
///
/// Every rank holds the whole model and makes one of these with the same arguments. A step computes this rank's
/// micro-batches, sums their gradients over all ranks, clips by the global norm, applies AdamW to the slice of the rows
/// that this rank owns, and shares the new weights. With a power of two of ranks, every number of them leaves the same
/// bits in the model.
///
/// New weights are on their way while the next step begins: between two steps of `run` the trained rows are not to be
/// read or changed but after `settle`.
///
/// Memory beside the model, for N trained values on P ranks: the gradient (4 N bytes), ⌈log₂⌉ of this rank's
/// micro-batches as many partial sums, the moments of the own slice (8 N / P). Nothing of that size is allocated after
/// `init`.
public final class Trainer {
    /// What decides the result besides model, data and neurons.
    public let configuration: TrainingConfiguration
    /// Steps of the whole run.
    public let totalSteps: Int
    /// Steps done.
    public internal(set) var step = 0
    /// What the steps so far did.
    public internal(set) var summary = TrainingSummary()
    /// What was measured on other rows so far.
    public internal(set) var validation = ValidationRecord()
    /// Whether `run` returned because the loss on other rows does not fall any more.
    public private(set) var isExhausted = false
    /// Why `run` returned before the last step; nil if it did not.
    public private(set) var stopRequest: StopRequest?

    let model: any LanguageModel
    let trainable: TrainableRows
    let communicator: any Communicator
    let batch: BatchGradient
    let access: PackedRowAccess
    let optimizer: RowOptimizer
    private let data: any TrainingData
    private let schedule: LearningRateSchedule
    private let timeline: Timeline
    private let rows: UInt64

    /// - Parameters:
    ///   - model: trained in place.
    ///   - trainable: the rows to train; not empty.
    ///   - data: the batches; the same on every rank.
    ///   - configuration: the same on every rank.
    ///   - communicator: the ranks of the run.
    ///   - team: threads for the optimizer; may be the model's.
    ///   - bucketValues: how the rows are cut for the exchange, see `SliceLayout`; changes no bits.
    /// - Throws: for a configuration that cannot work.
    public init(
        model: any LanguageModel, trainable: TrainableRows, data: any TrainingData,
        configuration: TrainingConfiguration, communicator: any Communicator, team: WorkerTeam,
        bucketValues: Int? = nil
    ) throws(TrainingError) {
        try configuration.validate()
        precondition(trainable.count > 0, "Trainer: nothing to train")
        self.configuration = configuration
        self.model = model
        self.trainable = trainable
        timeline = team.timeline
        self.data = data
        rows = trainable.identity
        self.communicator = communicator
        totalSteps = configuration.totalSteps(stepsPerEpoch: data.stepsPerEpoch)
        schedule = LearningRateSchedule(
            shape: configuration.schedule, base: configuration.learningRate, warmup: configuration.warmup,
            totalSteps: totalSteps)
        batch = BatchGradient(
            model: model, trainable: trainable, communicator: communicator, options: configuration.exchange,
            maxMicroBatches: data.maxMicroBatches, bucketValues: bucketValues, timeline: team.timeline)
        access = PackedRowAccess(trainable, parameters: model.parameters)
        optimizer = RowOptimizer(
            access: access, owned: batch.exchange.owned, weightDecay: configuration.weightDecay, team: team)
    }

    /// Whether gradients and weights are compressed on their way between ranks.
    public var codecs: (gradients: CodecChoice, weights: CodecChoice) {
        (batch.exchange.gradientCodec, batch.exchange.weightCodec)
    }

    /// Trains to the end, until the loss on other rows does not fall any more, or until a rank is asked to stop: then all
    /// ranks stop after the same step. Collective.
    ///
    /// - Parameters:
    ///   - control: when to save, and whether to stop. A run that is stopped, or given up because of gradients that are
    ///     not finite, saves its last good state.
    ///   - report: called after each step, on every rank. An error it throws ends the run on this rank alone. The trained
    ///     rows may still change meanwhile: see `settle`.
    /// - Throws: `TrainingError` for gradients that are not finite, `CollectiveError` for ranks that disagree or a
    ///   damaged message, and what `report` and `control.save` throw.
    @discardableResult
    public func run(
        control: RunControl = RunControl(), report: (TrainingProgress) throws -> Void = { _ in }
    ) throws -> TrainingSummary {
        try requireAgreement()
        var savedStep = step
        func save() throws {
            guard let save = control.save, savedStep != step else { return }
            try save(self)
            savedStep = step
        }
        // A run that was stopped may have left a measurement to the part that goes on.
        isExhausted = try validate(control.validation)
        while step < totalSteps, !isExhausted {
            let progress: TrainingProgress
            do {
                progress = try performStep(signal: control.signal(), settles: isRead(afterStep: step + 1, control))
            } catch let error as TrainingError {
                guard step > 0, control.save != nil else { throw error }
                try save()
                throw error.adding("the state after step \(step) is saved")
            }
            do {
                try report(progress)
            } catch {
                // Whoever ends the run may communicate.
                try settle()
                throw error
            }
            if step % configuration.replicaCheckInterval == 0 || step == totalSteps { try requireEqualWeights() }
            // Whoever is asked to stop has no time for a measurement.
            if stopRequest != nil, step < totalSteps {
                try save()
                break
            }
            isExhausted = try validate(control.validation)
            guard step < totalSteps, !isExhausted else { break }
            if control.saveEvery > 0, step % control.saveEvery == 0 { try save() }
        }
        return summary
    }

    /// Whether the weights are needed after a step, as far as that is known before it.
    private func isRead(afterStep step: Int, _ control: RunControl) -> Bool {
        step == totalSteps || step % configuration.replicaCheckInterval == 0
            || (control.save != nil && control.saveEvery > 0 && step % control.saveEvery == 0)
    }

    /// Waits until the weights after `step` are in place on this rank and nothing is on its way any more. To be called
    /// before the trained rows, the optimizer's state or the communicator are used between two steps; by any ranks.
    public func settle() throws(CollectiveError) { try batch.exchange.finishShare() }

    /// Collective. What the ranks must have in common before they start.
    private func requireAgreement() throws(CollectiveError) {
        for (option, value) in configuration.options { try communicator.requireAgreement(on: option, value: value) }
        try communicator.requireAgreement(on: "number of steps", value: "\(totalSteps)")
        try communicator.requireAgreement(on: "number of trained values", value: "\(access.count)")
        try requireEqualWeights()
    }

    /// Collective. Settles.
    func requireEqualWeights() throws(CollectiveError) {
        try settle()
        try ReplicaHash.requireAgreement(access, over: communicator, afterStep: step)
    }

    /// One optimizer step. Collective. `run` does all of them; alone it is for measurements.
    /// - Parameters:
    ///   - signal: that asks this rank to stop; 0 for none. It becomes `stopRequest` on all ranks.
    ///   - settles: whether to wait for the new weights; else they may be on their way until the next step or `settle`.
    ///     The same on all ranks.
    /// - Throws: `TrainingError` for a gradient that is not finite and must not be left out; nothing has changed then.
    public func performStep(signal: Int32 = 0, settles: Bool = true) throws -> TrainingProgress {
        let start = ContinuousClock.now
        let plan = data.step(step)
        let outcome = try batch.compute(plan, header: StepHeader(step: step, rows: rows, signal: signal))
        stopRequest = outcome.stop
        let reduced = ContinuousClock.now
        let updating = timeline.mark
        let norm = batch.exchange.norm(batch.gradient)
        let normed = ContinuousClock.now
        let rate = schedule.rate(step: step)
        var exchangeSeconds = outcome.exchangeSeconds + (normed - reduced).inSeconds
        // With what came of the step before.
        var statistics = batch.exchange.takeStatistics()

        // Norm and loss have the same bits on every rank, so all ranks decide alike.
        let isSkipped = !(norm.isFinite && outcome.loss.isFinite)
        if isSkipped {
            if summary.skippedSteps >= configuration.maxBadSteps { throw notFinite(loss: outcome.loss, norm: norm) }
        } else {
            try update(learningRate: rate, gradientScale: clipScale(norm: norm))
            if settles || outcome.stop != nil {
                let updated = ContinuousClock.now
                try settle()
                statistics += batch.exchange.takeStatistics()
                exchangeSeconds += (ContinuousClock.now - updated).inSeconds
            }
        }
        timeline.note("update", since: updating)
        let progress = TrainingProgress(
            step: step + 1, totalSteps: totalSteps, epoch: step / data.stepsPerEpoch + 1, loss: outcome.loss,
            learningRate: rate, gradientNorm: norm, isSkipped: isSkipped, tokens: plan.tokens,
            targetTokens: plan.targetTokens, stepSeconds: (ContinuousClock.now - start).inSeconds,
            computeSeconds: outcome.computeSeconds, exchangeSeconds: exchangeSeconds,
            exchangeBusySeconds: statistics.busySeconds, wireBytes: statistics.wireBytes,
            rawBytes: statistics.rawBytes)
        step += 1
        summary.add(progress)
        return progress
    }

    /// Turns the summed gradient into the new weights of the owned rows and starts to share them, the buckets that the
    /// next forward pass needs first before the others.
    private func update(learningRate: Double, gradientScale: Float) throws(CollectiveError) {
        let (exchange, access) = (batch.exchange, access)
        let read = { (range: Range<Int>, into: UnsafeMutablePointer<Float>) in access.gather(range, into: into) }
        let write = { (range: Range<Int>, values: UnsafePointer<Float>) in access.scatter(values, to: range) }
        guard exchange.sendsWeights else {
            optimizer.update(batch.gradient, learningRate: learningRate, gradientScale: gradientScale)
            try exchange.share(batch.gradient, read: read, write: write)
            return
        }
        let order = batch.readiness.forwardOrder
        exchange.startShare(batch.gradient, order: order, read: read, write: write)
        let step = optimizer.beginUpdate(learningRate: learningRate, gradientScale: gradientScale)
        for bucket in order {
            optimizer.apply(step, to: batch.gradient, within: exchange.slices.bucket(bucket))
            exchange.valuesAreReady(bucket: bucket)
        }
    }

    /// What the gradient is multiplied with, as `torch.nn.utils.clip_grad_norm_` has it; at most 1.
    private func clipScale(norm: Double) -> Float {
        let scale = configuration.maxGradNorm / (norm + 1e-6)
        return scale < 1 ? Float(scale) : 1
    }

    private func notFinite(loss: Double, norm: Double) -> TrainingError {
        let skipped = summary.skippedSteps
        return TrainingError(
            subject: "step \(step + 1)",
            found: "a gradient that is not finite (norm \(norm), loss \(loss))"
                + (skipped > 0 ? ", after \(skipped) such steps" : ""),
            expected: "finite numbers", hint: "lower --learning-rate, or allow --max-bad-steps")
    }
}
