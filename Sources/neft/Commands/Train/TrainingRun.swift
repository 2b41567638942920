import Checkpoints
import Collectives
import Exporting
import Foundation
import Kernels
import Models
import Neurons
import Reporting
import Training

/// One run of `neft train`, from its options to `final/`. Everything collective happens on all ranks in step; rank 0
/// alone writes.
struct TrainingRun {
    let command: Train
    let session: Session
    let work: Workload
    let rows: SampledRows
    let baseHash: String
    let plan: ResumePlan
    /// nil where nothing is measured.
    let validationRows: ValidationRows?
    /// With `--method lora`.
    private let lowRank: LowRankConfiguration?

    /// Loads and checks everything; nothing is written.
    init(_ command: Train, in session: Session) throws {
        self.command = command
        self.session = session
        StopSignals.watch(hasLauncher: session.hasLauncher)
        // Refusals that need no weights come first.
        plan = try ResumePlan(command, in: session)
        try session.agree { if let file = command.neurons.neurons { _ = try NeuronMask.load(file) } }
        let method = command.method.method
        try session.agree {
            guard method == .full || method == .linear else { return }
            try ModelDirectoryWriter(source: try ModelFiles.open(command.model.model)).checkSource()
        }
        work = try Workload(
            model: command.model, template: command.template, data: command.data, split: "train", in: session)
        work.loaded.model.recomputes = command.memory.recompute
        rows = SampledRows(
            work.dataset.rows, seed: command.batches.seed, globalBatch: command.batches.globalBatch,
            microBatch: command.batches.microBatch)
        validationRows = try ValidationRows(command, work, stepsPerEpoch: rows.stepsPerEpoch, in: session)
        if plan.point == nil, command.profiling.profileMethod == .probeless {
            let dataset = work.dataset
            try session.agree { _ = try dataset.classes() }
        }
        baseHash = try work.agreedBaseHash(cache: command.model.cache, in: session)
        let model = work.loaded.model
        lowRank = try session.agree {
            guard command.method.method == .lora else { return nil }
            return try command.lora.configuration(for: model.configuration)
        }
        if let lowRank { model.attach(lowRank, seed: command.batches.seed) }
    }

    func run() throws {
        let clock = ContinuousClock.now
        let given = try givenMask()
        var identity = command.identity(
            rows: rows, mask: given, lowRank: lowRank, baseHash: baseHash, dataHash: work.dataHash,
            compute: work.loaded.model.compute)
        identity.facts += validationRows?.facts(command.validation) ?? []
        if let point = plan.point {
            try session.together { () throws(TrainingError) in
                try identity.require(in: point.record.identity, path: point.path)
            }
        }
        let manifest = manifest()
        let record = try session.onRoot { try openRecord(manifest) }
        // A run that fails before its first step leaves nothing behind.
        var hasStarted = false
        defer { if !hasStarted { record?.discard() } }

        let mask: NeuronMask? =
            if let point = plan.point { point.mask } else { try given ?? selectedMask(record) }
        if let mask, given == nil { identity.facts.append(Train.fact(of: mask)) }
        let trainable = try session.agree { try trainableRows(mask) }
        let trainer = try session.together { () throws(TrainingError) in
            try Trainer(
                model: work.loaded.model, trainable: trainable, data: rows,
                configuration: command.trainingConfiguration,
                communicator: session.communicator, team: work.loaded.team)
        }
        try session.onRoot { try record?.save(mask, parameters: trainable.count) }
        announce(mask, trainable, steps: trainer.totalSteps)
        try resume(trainer, record)

        session.console.progress("step", done: trainer.step, total: trainer.totalSteps)
        var control = control(record, mask: mask, identity: identity)
        control.validation = validation(record) { path in
            try RowAdapter.save(
                trainable, of: work.loaded.model, baseHash: baseHash, maskHash: mask?.hash ?? "", to: path)
        }
        var hasNotedCodecs = false
        // Of this process; steps left out do not count.
        var losses: [Double] = []
        let summary = try session.trainingStep {
            try trainer.run(control: control) { progress in
                hasStarted = true
                if !hasNotedCodecs { hasNotedCodecs = note(trainer.codecs) }
                // A few steps, after the first one, which makes room for everything.
                work.loaded.team.timeline.isRecording = command.trace.trace != nil && (1...3).contains(progress.step)
                try record?.append(progress)
                if !progress.isSkipped { losses = Array(losses.suffix(49)) + [progress.loss] }
                show(progress)
            }
        }
        try writeTrace()
        if let stop = trainer.stopRequest, trainer.step < trainer.totalSteps {
            try session.onRoot { try record?.pause() }
            throw AgreedFailure(failure: stopped(stop, trainer))
        }
        let measured = trainer.validation
        if trainer.isExhausted {
            session.console.note(
                "stopped early after step \(trainer.step) of \(trainer.totalSteps): "
                    + "\(Figures.count(measured.countSinceBest, "measurement")) without a new lowest validation loss")
        }
        try session.onRoot {
            // Rank 0 alone writes the result, and no rank computes any more.
            if let record, command.validation.keepBest, measured.bestStep > 0, measured.bestStep < trainer.step {
                try trainer.takeBackRows(from: record.bestPath)
            }
            try record?.finish(seconds: (ContinuousClock.now - clock) / .seconds(1)) { folder in
                if let lowRank {
                    try LowRankAdapterFiles.save(
                        work.loaded.model, configuration: lowRank, baseModel: command.model.model, baseHash: baseHash,
                        to: folder)
                } else if command.method.method != .neft {
                    try ModelDirectoryWriter(source: work.loaded.files).write(work.loaded.model, to: folder)
                } else {
                    try RowAdapter.save(
                        trainable, of: work.loaded.model, baseHash: baseHash, maskHash: mask?.hash ?? "",
                        to: folder + "/adapter.safetensors")
                }
            }
        }
        report(summary, losses, measured, mask: mask, trainable: trainable, isExhausted: trainer.isExhausted)
    }

    /// What the run is made with. Collective: every rank names its host.
    private func manifest() -> RunManifest {
        let hosts = session.communicator.allGather(Array(session.communicator.hostName.utf8))
            .map { String(decoding: $0, as: UTF8.self) }
        return RunManifest(
            neftVersion: Version.current, libraryVersions: LibraryVersions.all(compute: work.loaded.model.compute),
            command: CommandLine.arguments,
            host: hosts[0], hosts: hosts, cpuModel: RunManifest.localCPUModel(), blasCoreType: BLAS.coreType,
            threads: work.loaded.team.threads, ranks: hosts.count, seed: command.batches.seed, baseHash: baseHash,
            maskHash: nil, layerCount: work.loaded.model.layerCount,
            projectionRows: Dictionary(
                work.loaded.model.projections.map { ($0.projection.shortName, $0.rows) },
                uniquingKeysWith: { first, _ in first }),
            dataHashes: [work.dataset.file: work.dataHash], startedAt: Date(),
            resumedAfterStep: plan.point?.record.step, options: command.resolved.dictionary)
    }

    /// Collective.
    private func writeTrace() throws {
        guard let path = command.trace.trace else { return }
        let spans = TraceFile.encoded(work.loaded.team.timeline.spans, rank: session.communicator.rank)
        let ranks = session.communicator.allGather(spans)
        try session.onRoot { try TraceFile.write(ranks, to: path) }
    }

    // MARK: - Neurons

    /// The mask of `--neurons`, the same on every rank and made for this model.
    private func givenMask() throws -> NeuronMask? {
        guard let file = command.neurons.neurons else { return nil }
        let mask = try session.agree {
            let mask = try NeuronMask.load(file)
            _ = try mask.trainableRows(for: work.loaded.model, baseHash: baseHash, file: file)
            return mask
        }
        try session.together { () throws(CollectiveError) in
            try MaskAgreement.verify(mask, over: session.communicator)
        }
        return mask
    }

    /// Profiles the model, notes the scores and selects; nil for methods that train all rows.
    private func selectedMask(_ record: RunRecord?) throws -> NeuronMask? {
        guard command.method.method == .neft else { return nil }
        let method = command.profiling.profileMethod ?? .gradient
        session.console.note("scoring neurons (\(method.rawValue))")
        var run = try session.together { () throws(TrainingError) in
            try ProfilingRun(
                method: method, steps: command.neurons.profileSteps, seed: command.batches.seed,
                exchange: command.exchange.options, model: work.loaded.model, baseHash: baseHash,
                communicator: session.communicator, team: work.loaded.team,
                untouched: work.loaded.untouched)
        }
        run.signal = { StopSignals.received }
        let profile = try session.profile(run, rows, on: work.loaded).made(on: work)
        try session.onRoot { try record?.save(profile) }
        let share = try command.top.share().fraction
        return try session.together { () throws -> NeuronMask in
            try MaskAgreement.select(
                share: share, scope: command.scope.forTraining(method), filter: command.scope.filter, from: profile,
                over: session.communicator)
        }
    }

    private func trainableRows(_ mask: NeuronMask?) throws -> TrainableRows {
        let model = work.loaded.model
        return switch command.method.method {
        case .full: model.everyWeight
        case .lora: model.lowRankRows
        case .linear: model.everyNeuron
        case .neft:
            try mask?.trainableRows(for: model, baseHash: baseHash, file: command.neurons.neurons ?? "neuron mask")
                ?? model.everyNeuron
        }
    }

    // MARK: - What the user sees

    private func announce(_ mask: NeuronMask?, _ trainable: TrainableRows, steps: Int) {
        if let lowRank {
            session.console.note(
                "LoRA of rank \(lowRank.rank), alpha \(Figures.short(lowRank.alpha)), on all projections")
        }
        if let mask { MaskSummary(mask, of: work.loaded.model.neuronCount).lines.forEach(session.console.note) }
        session.console.note(
            "training \(Human.count(trainable.count)) parameters on "
                + "\(Figures.count(work.dataset.rows.count, "row")): \(Figures.count(steps, "step")), "
                + "\(Figures.count(session.communicator.size, "rank")) with "
                + Figures.count(work.loaded.team.threads, "thread"))
    }

    /// Says what --codec auto has chosen, once both choices are made.
    private func note(_ codecs: (gradients: CodecChoice, weights: CodecChoice)) -> Bool {
        guard let gradients = codecs.gradients.isCoded, let weights = codecs.weights.isCoded else { return false }
        func text(_ choice: CodecChoice, _ isCoded: Bool) -> String? {
            choice.measured.map { measured in
                "\(isCoded ? "zstd" : "none") (\(Figures.short(measured.coded)) s with zstd, "
                    + "\(Figures.short(measured.plain)) s without)"
            }
        }
        if let first = text(codecs.gradients, gradients), let second = text(codecs.weights, weights) {
            session.console.note("codec: gradients \(first), weights \(second)")
        }
        return true
    }

    private func show(_ progress: TrainingProgress) {
        let detail = [
            "loss \(Figures.short(progress.loss))", "lr \(Figures.short(progress.learningRate))",
            "grad \(Figures.short(progress.gradientNorm))", "\(Int(progress.tokensPerSecond)) tokens/s",
            "comm \(Figures.percent(progress.exchangeShare))", "sent \(Human.bytes(progress.wireBytes))",
            "mem \(Human.bytes(Int(ProcessStatus.peakMiB * 1_048_576)))",
        ]
        session.console.progress(
            "step", done: progress.step, total: progress.totalSteps, detail: detail.joined(separator: "  "))
    }

    /// Of the last tenth of the steps, at most 50: of a short run, the last 50 are those of the untrained model too.
    /// `losses`: the last ones of this process.
    private func lastLoss(_ summary: TrainingSummary, _ losses: [Double]) -> String {
        let last = losses.suffix(max(1, min(50, summary.steps / 10)))
        guard !last.isEmpty else {
            return "\(Figures.short(summary.finalLoss)) (mean of the last \(min(50, summary.steps)))"
        }
        let mean = Figures.short(last.reduce(0, +) / Double(last.count))
        return last.count == 1 ? "\(mean) (of the last step)" : "\(mean) (mean of the last \(last.count))"
    }

    private func report(
        _ summary: TrainingSummary, _ losses: [Double], _ measured: ValidationRecord, mask: NeuronMask?,
        trainable: TrainableRows, isExhausted: Bool
    ) {
        let neurons = lowRank != nil ? 0 : mask?.count ?? work.loaded.model.neuronCount
        let final = command.output.output + "/final"
        let adapter = mask != nil ? final + "/adapter.safetensors" : final
        if command.common.json {
            var members: [JSONValue.Member] = [
                .init("steps", .int(summary.steps)), .init("finalLoss", .double(summary.finalLoss)),
                .init("tokensPerSecond", .double(summary.tokensPerSecond)),
                .init("wireBytesPerStep", .double(summary.wireBytesPerStep)),
                .init("selectedNeurons", .int(neurons)), .init("selectedParameters", .int(trainable.count)),
                .init("peakMiB", .double(ProcessStatus.peakMiB)), .init("adapter", .string(adapter)),
            ]
            if measured.step > 0 {
                members += [
                    .init("validationLoss", .double(measured.loss ?? .nan)),
                    .init("bestValidationLoss", .double(measured.bestLoss ?? .nan)),
                    .init("bestStep", .int(measured.bestStep)), .init("stoppedEarly", .bool(isExhausted)),
                ]
            }
            session.console.result(.object(members))
        } else {
            let kept = command.validation.keepBest ? ", which final/ holds" : ""
            let validation = best(of: measured).map { "validation loss at best \($0)\(kept)\n" } ?? ""
            session.console.result(
                """
                \(Figures.count(summary.steps, "step")) in \(Human.duration(summary.seconds)), loss \
                \(lastLoss(summary, losses))
                \(validation)\(Int(summary.tokensPerSecond)) tokens/s, \(Human.bytes(Int(summary.wireBytesPerStep))) \
                sent per rank and step
                written to \(final)
                """)
        }
    }
}
