import Datasets
import Evaluation
import Neurons
import Reporting
import Training

/// The rows that a run is measured on while it trains.
struct ValidationRows {
    let rows: [EvaluationRow]
    let file: String
    /// SHA-256 of the file.
    let hash: String
    /// Steps between two measurements.
    let every: Int

    /// Collective.
    init?(_ command: Train, _ work: Workload, stepsPerEpoch: Int, in session: Session) throws {
        guard let file = try session.agree({ try command.validation.file(data: command.data.data) }) else { return nil }
        let (dataset, hash) = try work.further(file, in: session)
        self.file = file
        self.hash = hash
        rows = dataset.rows.map { EvaluationRow($0, file: file) }
        every = command.validation.evalEvery ?? stepsPerEpoch
    }

    /// What two parts of a run have in common, where the measurements change its result.
    func facts(_ options: ValidationOptions) -> [RunIdentity.Fact] {
        guard options.earlyStopping != nil || options.keepBest else { return [] }
        return [
            .init("--eval-data", "with SHA-256 \(hash.prefix(16))"), .init("--eval-every", "\(every)"),
            .init("--early-stopping", options.earlyStopping.map { "\($0)" } ?? "none"),
            .init("--keep-best", "\(options.keepBest)"),
        ]
    }
}

extension TrainingRun {
    /// `saveRows`: writes the trained rows to a path, on rank 0.
    func validation(_ record: RunRecord?, saveRows: @escaping (String) throws -> Void) -> Validation? {
        guard let validationRows else { return nil }
        let evaluator = Evaluator(
            model: work.loaded.model, communicator: session.communicator, options: .init())
        let keepBest: ((Trainer) throws -> Void)? =
            command.validation.keepBest
            ? { _ in try session.onRoot { if let record { try saveRows(record.bestPath) } } } : nil
        return Validation(
            every: validationRows.every, patience: command.validation.earlyStopping,
            loss: {
                try session.together { () throws(EvaluationError) in try evaluator.loss(validationRows.rows) }.loss
            },
            report: { measured in
                try record?.append(measured)
                session.console.note(
                    "step \(measured.step): validation loss \(measured.loss.map(Figures.short) ?? "not finite")"
                        + (measured.isBest ? "" : ", best \(best(of: measured) ?? "none")"))
            },
            keepBest: keepBest)
    }

    /// `1.234 after step 100`.
    func best(of measured: ValidationRecord) -> String? {
        measured.bestLoss.map { "\(Figures.short($0)) after step \(measured.bestStep)" }
    }
}
