import Checkpoints
import Collectives
import Kernels
import Models

/// The packed gradients of a training step's micro-batches, and the packed weights before and after it: what an exchange
/// is measured with. A safetensors file: `gradient.0`, `gradient.1`, …, `before`, `after`, each `[count]`.
public struct ExchangeRecording: Sendable {
    /// One for each micro-batch, `[count]`.
    public let gradients: [FloatTensor]
    /// The weights before the step, `[count]`.
    public let before: FloatTensor
    /// The weights after it, `[count]`.
    public let after: FloatTensor
    /// What was recorded, for the reader.
    public let metadata: [String: String]
    /// Values of each tensor.
    public var count: Int { before.count }

    /// Reads a recording; the file stays mapped.
    public init(path: String) throws(CheckpointError) {
        let file = try SafetensorsFile(path: path)
        before = try file.floats("before")
        after = try file.floats("after", shape: before.shape)
        var gradients = [try file.floats("gradient.0", shape: before.shape)]
        while file.entries["gradient.\(gradients.count)"] != nil {
            gradients.append(try file.floats("gradient.\(gradients.count)", shape: before.shape))
        }
        self.gradients = gradients
        metadata = file.metadata
    }

    /// Trains `steps` steps on one rank, then records the next one.
    /// - Parameters:
    ///   - model: the model.
    ///   - trainable: the rows to train.
    ///   - data: the batches.
    ///   - steps: before the recorded one.
    ///   - configuration: of the training.
    ///   - team: the one the model computes on.
    ///   - path: where to write.
    ///   - report: called after each step.
    public static func make(
        model: any LanguageModel, trainable: TrainableRows, data: any TrainingData, steps: Int,
        configuration: TrainingConfiguration, team: WorkerTeam, to path: String,
        report: (TrainingProgress) -> Void = { _ in }
    ) throws {
        let trainer = try Trainer(
            model: model, trainable: trainable, data: data, configuration: configuration,
            communicator: LocalCommunicator(), team: team)
        guard steps < trainer.totalSteps else {
            throw TrainingError(
                subject: "--at-step", found: "\(steps)", expected: "less than the run's \(trainer.totalSteps) steps",
                hint: "lower it, or take more rows")
        }
        for _ in 0..<steps { report(try trainer.performStep()) }
        let plan = data.step(steps)
        let gradients = (0..<plan.microBatchCount).map { leaf in
            let gradient = TensorStorage(count: trainable.count)
            _ = model.forwardBackward(
                plan.microBatch(leaf), trainable: trainable, lossScale: Float(1 / Double(plan.targetTokens)),
                gradient: gradient.buffer)
            return gradient
        }
        let access = PackedRowAccess(trainable, parameters: model.parameters)
        let (before, after) = (TensorStorage(count: access.count), TensorStorage(count: access.count))
        access.gather(0..<access.count, into: before.pointer)
        let progress = try trainer.performStep()
        access.gather(0..<access.count, into: after.pointer)

        var writer = SafetensorsWriter(metadata: [
            "format": "neft-exchange-recording", "step": "\(progress.step)",
            "learningRate": "\(progress.learningRate)", "gradientNorm": "\(progress.gradientNorm)",
        ])
        let tensors =
            gradients.enumerated().map { ("gradient.\($0.offset)", $0.element) } + [
                ("before", before), ("after", after),
            ]
        for (name, storage) in tensors {
            writer.add(name, shape: [access.count], parts: [UnsafeBufferPointer(storage.buffer)])
        }
        try writer.write(to: path)
        withExtendedLifetime(tensors) {}
    }
}
