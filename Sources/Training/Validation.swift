/// How a run is measured on rows it is not trained on, and what follows. The same on every rank.
public struct Validation {
    /// Steps between two measurements, at least 1; the last step is measured, too.
    public var every: Int
    /// The run ends after so many measurements in a row without a new lowest loss; nil: never.
    public var patience: Int?
    /// The loss now, nats per target token. Collective; the same bits on every rank.
    public var loss: () throws -> Double
    /// Called after each measurement, on every rank.
    public var report: (ValidationRecord) throws -> Void
    /// Saves the trained rows, which are the best so far. Collective. nil: they are not kept.
    public var keepBest: ((Trainer) throws -> Void)?

    /// Measurements after every `every` steps; without an end by them unless `patience` says so.
    public init(
        every: Int, patience: Int? = nil, loss: @escaping () throws -> Double,
        report: @escaping (ValidationRecord) throws -> Void = { _ in }, keepBest: ((Trainer) throws -> Void)? = nil
    ) {
        precondition(every >= 1 && patience ?? 1 >= 1, "Validation: every \(every), patience \(patience ?? 0)")
        self.every = every
        self.patience = patience
        self.loss = loss
        self.report = report
        self.keepBest = keepBest
    }
}

/// What the measurements of a run have shown so far; part of its checkpoints.
public struct ValidationRecord: Codable, Equatable, Sendable {
    /// The step after which was measured last; 0: none yet.
    public private(set) var step = 0
    /// What was measured then; nil if it was no finite number.
    public private(set) var loss: Double?
    /// The step of the lowest loss, the earliest of equal ones; 0: none yet.
    public private(set) var bestStep = 0
    /// The lowest loss; nil: none yet.
    public private(set) var bestLoss: Double?
    /// Measurements since then.
    public private(set) var countSinceBest = 0

    /// Nothing measured yet.
    public init() {}

    /// Whether the last measurement is the best.
    public var isBest: Bool { step > 0 && bestStep == step }

    mutating func note(_ measured: Double, after step: Int) {
        self.step = step
        loss = measured.isFinite ? measured : nil
        if let loss, loss < bestLoss ?? .infinity {
            (bestStep, bestLoss, countSinceBest) = (step, loss, 0)
        } else {
            countSinceBest += 1
        }
    }
}

extension Trainer {
    /// Measures if it is time to and has not been done. Collective.
    /// - Returns: whether the run is to end because the loss does not fall any more.
    func validate(_ validation: Validation?) throws -> Bool {
        guard let validation else { return false }
        let isDue = step > 0 && (step % validation.every == 0 || step == totalSteps)
        if isDue, self.validation.step < step {
            try settle()
            self.validation.note(try validation.loss(), after: step)
            if self.validation.isBest { try validation.keepBest?(self) }
            try validation.report(self.validation)
        }
        return validation.patience.map { self.validation.countSinceBest >= $0 } ?? false
    }
}
