import Collectives
import Foundation
import TestSupport
import Testing

@testable import Training

/// Measurements during training: when they are made, what is the best, when a run ends early.
@Suite struct ValidationTests {
    private struct Result: Sendable {
        var measured: [ValidationRecord] = []
        var kept: [Int] = []
        var steps = 0
        var isExhausted = false
        var weights: [[UInt32]] = []
        var error: String?
    }

    /// A toy run whose validation loss after each step is given.
    /// - Parameter stop: the step after which all ranks are asked to stop.
    private func run(
        size: Int, losses: [Double], every: Int = 1, patience: Int? = nil, steps: Int = 6, folder: String? = nil,
        stop: Int? = nil, resumes: Bool = false, saveEvery: Int = 0
    ) -> [Result] {
        ThreadCommunicator.run(size: size) { communicator in
            var result = Result()
            let model = makeTinyDecoder()
            do {
                let trainer = try Trainer(
                    model: model, trainable: someRows(of: model), data: ToyData(),
                    configuration: .toy(steps: steps), communicator: communicator, team: model.team)
                var control = RunControl(saveEvery: saveEvery, signal: { trainer.step + 1 == stop ? SIGUSR1 : 0 })
                if let folder {
                    let newest =
                        communicator.rank == 0 && resumes ? TrainingCheckpoint.newest(in: folder) { _ in } : nil
                    let bytes = communicator.broadcast(try newest?.record.bytes() ?? [])
                    if !bytes.isEmpty { try trainer.restore(newest, record: try CheckpointRecord(bytes: bytes)) }
                    let maker = CheckpointRecord.Maker(
                        neftVersion: "1", arithmetic: "a", baseHash: "b", maskHash: nil)
                    control.save =
                        CheckpointWriter(
                            folder: folder, keep: 9,
                            contents: .init(identity: RunIdentity([]), maker: maker, mask: nil),
                            communicator: communicator
                        ).save
                }
                control.validation = Validation(
                    every: every, patience: patience,
                    loss: {
                        // What all ranks do together must not be disturbed by weights on their way.
                        communicator.barrier()
                        return losses[trainer.step - 1]
                    },
                    report: { result.measured.append($0) }, keepBest: { result.kept.append($0.step) })
                try trainer.run(control: control)
                result.steps = trainer.step
                result.isExhausted = trainer.isExhausted
            } catch {
                result.error = "\(error)"
            }
            result.weights = weightBits(model)
            return result
        }
    }

    @Test(arguments: [1, 2, 4]) func bestAndLast(size: Int) {
        let undisturbed = ToyRun(.toy(), communicator: LocalCommunicator())
        for result in run(size: size, losses: [5, 3, .nan, 3, 2, 4]) {
            #expect(result.error == nil)
            #expect(result.measured.map(\.step) == [1, 2, 3, 4, 5, 6])
            #expect(result.measured.map(\.bestStep) == [1, 2, 2, 2, 5, 5])
            #expect(result.measured.map(\.countSinceBest) == [0, 0, 1, 2, 0, 1])
            #expect(result.measured.map(\.loss) == [5, 3, nil, 3, 2, 4])
            #expect(result.kept == [1, 2, 5])
            #expect(!result.isExhausted)
            #expect(result.weights == undisturbed.weights, "measuring changes nothing")
        }
        // The last step is measured, too.
        #expect(run(size: size, losses: [9, 9, 9, 4, 9, 5], every: 4)[0].measured.map(\.step) == [4, 6])
    }

    @Test(arguments: [1, 2]) func endsEarly(size: Int) {
        for result in run(size: size, losses: [5, 3, 4, 3, 1, 1], patience: 2) {
            #expect(result.error == nil)
            #expect(result.steps == 4 && result.isExhausted)
            #expect(result.measured.last?.bestStep == 2)
        }
        #expect(!run(size: size, losses: [6, 5, 5, 4, 4, 3], patience: 2)[0].isExhausted)
    }

    /// Stopped at each step and gone on with: the same measurements, the same end.
    @Test(arguments: [1, 2, 3, 4, 5], [(1, 2), (4, 1)])
    func goesOnAsIfNeverStopped(stop: Int, sizes: (Int, Int)) throws {
        let losses: [Double] = [5, 3, 4, 2, 4, 3, 9, 9]
        let whole = run(size: 1, losses: losses, every: 2, patience: 2, steps: 8)[0]
        #expect(whole.steps == 8 && whole.measured.map(\.step) == [2, 4, 6, 8] && whole.isExhausted)
        let scratch = try TemporaryFolder()
        let first = run(
            size: sizes.0, losses: losses, every: 2, patience: 2, steps: 8, folder: scratch.path, stop: stop)[0]
        #expect(first.error == nil && first.steps == stop)
        let second = run(
            size: sizes.1, losses: losses, every: 2, patience: 2, steps: 8, folder: scratch.path, resumes: true)
        for part in second {
            #expect(part.error == nil)
            #expect(first.measured + part.measured == whole.measured)
            #expect(first.kept + part.kept == whole.kept)
            #expect(part.steps == 8 && part.isExhausted && part.weights == whole.weights)
        }
    }

    /// A run that ended early and is gone on with ends at once, at the same step.
    @Test func anExhaustedRunStaysSo() throws {
        let scratch = try TemporaryFolder()
        let losses: [Double] = [1, 2, 3, 4, 5, 6]
        let first = run(size: 1, losses: losses, patience: 2, folder: scratch.path, saveEvery: 1)[0]
        #expect(first.error == nil && first.steps == 3 && first.isExhausted)
        let again = run(size: 2, losses: losses, patience: 2, folder: scratch.path, resumes: true)[0]
        #expect(again.error == nil && again.steps == 3 && again.isExhausted)
        // The newest checkpoint is of step 2, before the last measurement.
        #expect(again.measured == Array(first.measured.suffix(1)))
    }
}
