import Collectives
import Kernels
import TestSupport
import Testing

@testable import Training

@Suite struct ExchangeRecordingTests {
    private func record(_ path: String, steps: Int) throws {
        let model = makeTinyDecoder()
        try ExchangeRecording.make(
            model: model, trainable: model.everyNeuron, data: ToyData(microBatches: 3), steps: steps,
            configuration: .toy(), team: model.team, to: path)
    }

    /// The recorded step is the one that a run makes there.
    @Test func holdsAStepOfTheRun() throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/step.safetensors"
        try record(path, steps: 2)
        let recording = try ExchangeRecording(path: path)
        #expect(recording.gradients.count == 3 && recording.metadata["step"] == "3")

        let model = makeTinyDecoder()
        let trainer = try Trainer(
            model: model, trainable: model.everyNeuron, data: ToyData(microBatches: 3), configuration: .toy(),
            communicator: LocalCommunicator(), team: model.team)
        let access = PackedRowAccess(model.everyNeuron, parameters: model.parameters)
        for (step, tensor) in [(2, recording.before), (1, recording.after)] {
            for _ in 0..<step { _ = try trainer.performStep() }
            var weights = [Float](repeating: 0, count: access.count)
            weights.withUnsafeMutableBufferPointer { access.gather(0..<access.count, into: $0.baseAddress!) }
            #expect(bits(weights) == bits(tensor.values))
        }
        let gradient = model.gradients(
            ToyData(microBatches: 3).microBatches(3)[0], trainable: model.everyNeuron, lossScale: 1
        ).gradient
        #expect(gradient.count == recording.count && recording.gradients[0].values.contains { $0 != 0 })
    }

    @Test func refusesAStepThatTheRunDoesNotHave() throws {
        let folder = try TemporaryFolder()
        #expect(throws: TrainingError.self) { try record(folder.path + "/step.safetensors", steps: 6) }
    }

    /// What a replay counts is what the exchange sends.
    @Test(arguments: [1, 2, 4]) func replayCountsBytes(size: Int) throws {
        let folder = try TemporaryFolder()
        let path = folder.path + "/step.safetensors"
        try record(path, steps: 1)
        let recording = try ExchangeRecording(path: path)
        let results = ThreadCommunicator.run(size: size) { communicator -> [ExchangeReplay.Result] in
            let replay = ExchangeReplay(
                communicator: communicator, gradient: .init(recording.gradients[communicator.rank % 3].buffer),
                before: .init(recording.before.buffer), after: .init(recording.after.buffer))
            return [
                ExchangeOptions(wire: .raw), ExchangeOptions(codec: .zstd), ExchangeOptions(wire: .bf16, codec: .zstd),
            ].compactMap { try? replay.run($0, steps: 2, computeSeconds: 0.01) }
        }
        // Each value goes to its owner from all others, and back to them.
        let plain = Double(2 * (size - 1) * recording.count * 4)
        let sums = (0..<3).map { mode in results.reduce(0) { $0 + $1[mode].wireBytes } }
        let norms = Double((recording.count + 4_095) / 4_096 * 8 * (size - 1))
        #expect(sums[0] == plain + norms)
        if size > 1 {
            #expect(sums[1] < 0.95 * plain && sums[2] < 0.5 * plain)
            #expect(results.joined().allSatisfy { $0.reduceSeconds > 0 && $0.exposedReduceSeconds! > 0 })
        }
    }
}
