import Collectives
import Kernels
import Models
import Neurons

/// How neurons are scored.
public enum ProfileMethod: String, CaseIterable, Sendable {
    /// Σ over batches of Σ over the row of |w · g|, g the gradient of one global batch: forward and backward, no update.
    case gradient
    /// How far a full fine-tune turns the row, `1 − cos(w, w′)` (arXiv 2403.11621).
    case weightShift = "weight-shift"
    /// How differently the neuron responds to rows of different classes: `Σ |q(z) − q(z′)|` over pairs of classes, q the
    /// mean activation (Antverg & Belinkov 2022). Forward only, on labelled data.
    case probeless
    /// Mean |activation| of the neuron. Forward only.
    case activation
    /// Random scores: the control.
    case random

    /// Global batches used where the user does not say.
    public var defaultSteps: Int {
        switch self {
        case .gradient, .probeless, .activation: 16
        case .weightShift: 50
        case .random: 0
        }
    }
}

/// Scores the neurons of a model on data; the passes over the data are shared by the ranks.
///
/// Collective. Every rank gets the same profile; with a power of two of ranks, the same bits for any number of them. The
/// model is left as it was.
public struct ProfilingRun {
    /// How far a profile is.
    public struct Progress: Sendable, Equatable {
        /// Steps done.
        public var step: Int
        /// Steps of the whole profile.
        public var totalSteps: Int
        /// Mean loss of the step's batch, nats; nil where none is computed.
        public var loss: Double?
        /// Tokens of the step's batch, over all ranks.
        public var tokens: Int
        /// What the step took on this rank.
        public var stepSeconds: Double
    }

    /// How neurons are scored.
    public let method: ProfileMethod
    /// Global batches, or steps of the fine-tune; at least 1.
    public let steps: Int
    /// Of `random`, and noted in the profile.
    public let seed: UInt64
    /// The signal that asks this rank to stop; 0 for none. Asked once per step, or round of whole batches.
    public var signal: () -> Int32 = { 0 }
    /// Of `gradient`: whether each rank takes whole batches, in turn, where that computes no longer, so that a dozen bytes per
    /// neuron and batch travel instead of the gradients. It needs ⌈log₂⌉ of a batch's micro-batches as many partial sums,
    /// not of a rank's. The scores have the bits of one rank; otherwise that is so for powers of two of ranks. The same on
    /// every rank.
    public var takesWholeBatches = false

    /// Of `weight-shift`: how the model is fine-tuned.
    private let fineTuning: TrainingConfiguration
    private let exchange: ExchangeOptions
    private let model: any LanguageModel
    private let baseHash: String
    private let communicator: any Communicator
    private let team: WorkerTeam
    /// The model's weights as they are before the run.
    private let untouched: (() throws -> any LanguageModel)?

    /// - Parameters:
    ///   - method: how neurons are scored.
    ///   - steps: batches to score on; nil for the method's default.
    ///   - learningRate: of `weight-shift`; nil takes the default of full fine-tuning.
    ///   - seed: of random scores.
    ///   - exchange: how ranks exchange; always without loss.
    ///   - model: left as it was.
    ///   - baseHash: of the model.
    ///   - communicator: the ranks of the run.
    ///   - team: the one the model computes on.
    ///   - untouched: gives another model with the weights of `model`, mapped from the same files: `weight-shift`
    ///     compares with it and takes the weights back from it. Without, it keeps a copy of them.
    public init(
        method: ProfileMethod, steps: Int? = nil, learningRate: Double? = nil, seed: UInt64,
        exchange: ExchangeOptions = .init(), model: any LanguageModel, baseHash: String,
        communicator: any Communicator, team: WorkerTeam, untouched: (() throws -> any LanguageModel)? = nil
    ) throws(TrainingError) {
        self.untouched = untouched
        self.method = method
        self.steps = steps ?? method.defaultSteps
        self.seed = seed
        // Scores are the same for every number of ranks.
        self.exchange = exchange.lossless
        self.model = model
        self.baseHash = baseHash
        self.communicator = communicator
        self.team = team
        var fineTuning = TrainingConfiguration(method: .full, learningRate: learningRate)
        fineTuning.exchange = exchange.lossless
        fineTuning.maxSteps = self.steps
        self.fineTuning = fineTuning
        guard method == .random || self.steps >= 1 else {
            throw TrainingError(
                subject: "--steps", found: "\(self.steps)", expected: "at least 1",
                hint: "leave it out for \(method.defaultSteps)")
        }
    }

    /// The profile, on every rank.
    ///
    /// - Parameters:
    ///   - data: the batches; the same on every rank.
    ///   - report: called after each step, on every rank.
    /// - Throws: `StopRequest`, on all ranks after the same step, if a rank is asked to stop; the rest as `Trainer.run`.
    public func run(data: any TrainingData, report: (Progress) throws -> Void = { _ in }) throws -> NeuronProfile {
        switch method {
        case .gradient: try gradientProfile(data, report)
        case .weightShift: try weightShiftProfile(data, report)
        case .probeless, .activation: try activationProfile(data, report)
        case .random: NeuronProfile.random(model: model, seed: seed, baseHash: baseHash)
        }
    }

    private func profile(_ scores: [Double], steps: Int, _ more: [String: String] = [:]) -> NeuronProfile {
        var details = more
        details["steps"] = "\(steps)"
        details["seed"] = "\(seed)"
        return NeuronProfile(
            model: model, scores: scores, method: method.rawValue, baseHash: baseHash, details: details)
    }

    /// Memory beside the model: the gradient of every projection row and ⌈log₂⌉ of this rank's micro-batches as many
    /// partial sums of its size, of a whole batch's with `takesWholeBatches`. Given back at the end.
    private func gradientProfile(_ data: any TrainingData, _ report: (Progress) throws -> Void) throws -> NeuronProfile
    {
        // The same batch again would add the same scores again.
        let steps = min(steps, data.stepsPerEpoch)
        let scores =
            if takesWholeBatches, wholeBatchesAreAsFast(steps: steps, microBatches: data.maxMicroBatches) {
                try scoresOfWholeBatches(data, steps: steps, report)
            } else {
                try scoresOfSharedBatches(data, steps: steps, report)
            }
        guard scores.allSatisfy(\.isFinite) else {
            throw TrainingError(
                subject: "profile", found: "a gradient that is not finite", expected: "finite numbers",
                hint: "the model's weights or the data are damaged")
        }
        return profile(scores, steps: steps)
    }

    /// By the micro-batches that the busiest rank computes.
    private func wholeBatchesAreAsFast(steps: Int, microBatches: Int) -> Bool {
        let ranks = communicator.size
        func share(_ count: Int) -> Int { (count + ranks - 1) / ranks }
        return ranks > 1 && share(steps) * microBatches <= steps * share(microBatches)
    }

    /// Every rank computes its micro-batches of each batch; the gradients are summed over the ranks.
    private func scoresOfSharedBatches(
        _ data: any TrainingData, steps: Int, _ report: (Progress) throws -> Void
    ) throws -> [Double] {
        let trainable = model.everyNeuron
        let batch = BatchGradient(
            model: model, trainable: trainable, communicator: communicator, options: exchange,
            maxMicroBatches: data.maxMicroBatches)
        var scores = GradientScores(
            trainable, parameters: model.parameters, owned: batch.exchange.slices.owned(by: communicator.rank))
        for step in 0..<steps {
            let start = ContinuousClock.now
            let plan = data.step(step)
            let outcome = try batch.compute(plan, header: StepHeader(step: step, signal: signal()))
            if let gradient = batch.gradient.baseAddress { scores.add(gradient, team: team) }
            try report(
                Progress(
                    step: step + 1, totalSteps: steps, loss: outcome.loss, tokens: plan.tokens,
                    stepSeconds: (ContinuousClock.now - start).inSeconds))
            if let stop = outcome.stop { throw stop }
        }
        return scores.gather(over: communicator)
    }

    /// Every rank computes a batch of its own, and what it adds to the scores goes to all, in the order of the batches.
    private func scoresOfWholeBatches(
        _ data: any TrainingData, steps: Int, _ report: (Progress) throws -> Void
    ) throws -> [Double] {
        let trainable = model.everyNeuron
        let batch = BatchGradient(
            model: model, trainable: trainable, communicator: LocalCommunicator(), options: exchange,
            maxMicroBatches: data.maxMicroBatches)
        var scores = GradientScores(trainable, parameters: model.parameters, owned: [0..<trainable.count])
        for first in stride(from: 0, to: steps, by: communicator.size) {
            let start = ContinuousClock.now
            let batches = first..<min(first + communicator.size, steps)
            let own = first + communicator.rank
            var found: [Double] = []
            if batches.contains(own), let gradient = batch.gradient.baseAddress {
                let loss = try batch.compute(data.step(own)).loss
                found = [loss] + scores.terms(of: gradient, team: team)
            }
            let header = StepHeader(step: first, signal: signal())
            let all = communicator.allGather(header.bytes + found.withUnsafeBytes { Array($0) })
            let stop = try header.agree(with: all.map { StepHeader($0) }, over: communicator)
            var losses = 0.0
            for bytes in all.prefix(batches.count) {
                var values: [Double] = []
                Array(bytes.dropFirst(StepHeader.byteCount)).forEachDouble { values.append($0) }
                losses += values.removeFirst()
                scores.add(values)
            }
            try report(
                Progress(
                    step: batches.upperBound, totalSteps: steps, loss: losses / Double(batches.count),
                    tokens: batches.reduce(0) { $0 + data.step($1).tokens },
                    stepSeconds: (ContinuousClock.now - start).inSeconds))
            if let stop { throw stop }
        }
        return scores.gather(over: LocalCommunicator())
    }

    /// Of `activation` and `probeless`. Memory beside the model: 16 bytes per neuron and class, and as much again from
    /// each rank at the end.
    private func activationProfile(
        _ data: any TrainingData, _ report: (Progress) throws -> Void
    ) throws -> NeuronProfile {
        let isProbeless = method == .probeless
        if isProbeless { try requireClasses(data.classes) }
        let steps = min(steps, data.stepsPerEpoch)
        var sums = ActivationSums(
            isProbeless ? .signedBeforeTargets : .magnitude, classCount: isProbeless ? data.classes.count : 1,
            model: model)
        for step in 0..<steps {
            let start = ContinuousClock.now
            let plan = data.step(step)
            for leaf in LeafTree(count: plan.microBatchCount, size: communicator.size).leaves(of: communicator.rank) {
                sums.add(
                    plan.microBatch(leaf), rowClasses: isProbeless ? plan.rowClasses(leaf) : [], model: model,
                    team: team)
            }
            let header = StepHeader(step: step, signal: signal())
            let stop = try header.agree(
                with: communicator.allGather(header.bytes).map { StepHeader($0) }, over: communicator)
            try report(
                Progress(
                    step: step + 1, totalSteps: steps, loss: nil, tokens: plan.tokens,
                    stepSeconds: (ContinuousClock.now - start).inSeconds))
            if let stop { throw stop }
        }
        sums.addOverRanks(communicator)
        guard sums.isFinite else {
            throw TrainingError(
                subject: "profile", found: "an activation that is not finite", expected: "finite numbers",
                hint: "the model's weights or the data are damaged")
        }
        if let missing = sums.tokens.firstIndex(of: 0) {
            throw TrainingError(
                subject: "profile",
                found: isProbeless
                    ? "no row of class \"\(data.classes[missing])\" in the first \(steps) batches" : "no tokens",
                expected: "tokens of every class", hint: "raise --steps or --global-batch")
        }
        let means = (0..<sums.classCount).map { sums.means(ofClass: $0) }
        var details = ["tokens": "\(sums.tokens.reduce(0, +))"]
        if isProbeless { details["classes"] = data.classes.joined(separator: ", ") }
        return profile(isProbeless ? probelessScores(means) : means[0], steps: steps, details)
    }

    private func requireClasses(_ classes: [String]) throws(TrainingError) {
        guard (2...Self.maxClasses).contains(classes.count) else {
            throw TrainingError(
                subject: "--profile-method probeless",
                found: classes.isEmpty ? "rows without labels" : "\(classes.count) different labels",
                expected: "rows of 2 to \(Self.maxClasses) classes",
                hint: "name each row's class under \"label\", or choose another method")
        }
    }

    /// Every class takes a sum per neuron.
    static let maxClasses = 64

    /// Memory beside the model: what full fine-tuning takes, and a copy of the weights unless they can be read again.
    private func weightShiftProfile(
        _ data: any TrainingData, _ report: (Progress) throws -> Void
    ) throws -> NeuronProfile {
        let everything = model.everyWeight
        let original = try untouched.map { OriginalWeights(model: try $0()) } ?? OriginalWeights(copying: model)
        let access = PackedRowAccess(everything, parameters: model.parameters)
        defer {
            for entry in everything.entries {
                original.forEachPart(of: entry) { offset, values in
                    if let start = values.baseAddress { access.scatter(start, to: offset..<offset + values.count) }
                }
            }
        }

        var configuration = fineTuning
        configuration.epochs = max(1, (steps + data.stepsPerEpoch - 1) / data.stepsPerEpoch)
        let trainer = try Trainer(
            model: model, trainable: everything, data: data, configuration: configuration,
            communicator: communicator, team: team)
        try trainer.run(control: RunControl(signal: signal)) { progress in
            try report(
                Progress(
                    step: progress.step, totalSteps: progress.totalSteps, loss: progress.loss,
                    tokens: progress.tokens, stepSeconds: progress.stepSeconds))
        }
        if let stop = trainer.stopRequest { throw stop }
        // Every rank holds the same weights: rank 0 scores for all.
        var scores = communicator.rank == 0 ? shifts(from: original) : []
        let bytes = communicator.broadcast(scores.withUnsafeBytes { Array($0) })
        scores.removeAll()
        bytes.forEachDouble { scores.append($0) }
        return profile(scores, steps: steps, ["learningRate": "\(configuration.learningRate)"])
    }

    private func shifts(from original: OriginalWeights) -> [Double] {
        var scores: [Double] = []
        scores.reserveCapacity(model.neuronCount)
        let entries = model.everyWeight.entries
        for projection in model.projections {
            let entry = entries[projection.parameter]
            let after = model.parameters[entry.parameter].tensor.pointer
            var biases: [(before: Float, after: Float)] = []
            if let bias = projection.bias {
                let after = model.parameters[bias].tensor.buffer
                original.forEachPart(of: entries[bias]) { _, before in
                    biases += zip(before, after).map { (before: $0, after: $1) }
                }
            }
            original.forEachPart(of: entry) { offset, before in
                for start in stride(from: 0, to: before.count, by: entry.columns) {
                    let place = offset - entry.offset + start
                    scores.append(
                        WeightShift.score(
                            before.baseAddress! + start, after + place, count: entry.columns,
                            bias: biases.isEmpty ? nil : biases[place / entry.columns]))
                }
            }
        }
        return scores
    }
}
