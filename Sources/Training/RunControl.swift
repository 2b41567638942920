/// How a run is interrupted and kept. The same on every rank, but for the signals it has been sent.
public struct RunControl {
    /// The signal that asks this rank to stop; 0 for none. Asked once per step.
    public var signal: () -> Int32
    /// Steps between two checkpoints; 0: none but when the run is stopped.
    public var saveEvery: Int
    /// Saves the trainer's state. Collective. nil: nothing is ever saved.
    public var save: ((Trainer) throws -> Void)?
    /// Measurements on other rows; nil: none.
    public var validation: Validation?

    /// A run that is neither saved, stopped nor measured, unless given.
    public init(
        saveEvery: Int = 0, signal: @escaping () -> Int32 = { 0 }, validation: Validation? = nil,
        save: ((Trainer) throws -> Void)? = nil
    ) {
        self.saveEvery = saveEvery
        self.signal = signal
        self.validation = validation
        self.save = save
    }
}
