import Kernels
import Neurons
import Reporting
import Training

/// Earlier and later parts of a run.
extension TrainingRun {
    /// Rank 0.
    func openRecord(_ manifest: RunManifest) throws -> RunRecord {
        let path = command.output.output
        let isOld = plan.isSameFolder
        return try RunRecord(
            folder: isOld ? RunFolder(opening: path) : try RunFolder(creating: path), options: command.resolved,
            manifest: manifest, done: isOld ? plan.point?.record.summary ?? TrainingSummary() : nil,
            hasTensorBoard: command.tensorBoard.tensorboard)
    }

    /// Brings the trainer to where the run goes on. Collective.
    func resume(_ trainer: Trainer, _ record: RunRecord?) throws {
        guard let point = plan.point else {
            if plan.isSameFolder {
                session.console.note("no whole checkpoint in \(command.output.output): the run begins anew")
            }
            return
        }
        let isExact = try session.together { () throws(TrainingError) in
            try trainer.restore(point.checkpoint, record: point.record)
        }
        if command.validation.keepBest {
            try session.onRoot { if let record { try point.checkpoint?.placeBest(at: record.bestPath) } }
        }
        session.console.note("going on after step \(trainer.step) from \(point.path)")
        if !isExact {
            session.console.warn(
                "the ranks share the rows in another way than before: what --wire bf16 had rounded off is lost once")
        }
        if point.record.maker.arithmetic != Self.arithmetic {
            session.console.warn(
                "\(point.path) was computed with \(point.record.maker.arithmetic), this run is with "
                    + "\(Self.arithmetic): the last bits of the result may differ")
        }
    }

    /// What decides the last bits of a product.
    private static var arithmetic: String {
        "\(CPU.hasPanelKernel ? "neft's AVX-512 kernel" : "OpenBLAS") on \(BLAS.coreType)"
    }

    private func writer(_ record: RunRecord?, mask: NeuronMask?, identity: RunIdentity) -> CheckpointWriter {
        CheckpointWriter(
            folder: command.output.output, keep: command.checkpoints.keep,
            contents: .init(
                identity: identity,
                maker: .init(
                    neftVersion: Version.current, arithmetic: Self.arithmetic, baseHash: baseHash, maskHash: mask?.hash),
                mask: mask, bestPath: command.validation.keepBest ? record?.bestPath : nil),
            communicator: session.communicator)
    }

    func control(_ record: RunRecord?, mask: NeuronMask?, identity: RunIdentity) -> RunControl {
        let writer = writer(record, mask: mask, identity: identity)
        return RunControl(saveEvery: command.checkpoints.saveEvery, signal: { StopSignals.received }) { trainer in
            // The log must not fall behind the checkpoint.
            try session.onRoot { try record?.sync() }
            try writer.save(trainer)
        }
    }

    func stopped(_ stop: StopRequest, _ trainer: Trainer) -> Failure {
        let path = "\(command.output.output)/\(TrainingCheckpoint.name(step: trainer.step))"
        return Failure(
            stop,
            then: "after step \(trainer.step) of \(trainer.totalSteps); saved \(path); go on with --resume auto")
    }
}
