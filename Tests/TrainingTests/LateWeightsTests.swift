import Collectives
import Kernels
import Models
import TestSupport
import Testing

@testable import Training

/// New weights that are on their way while the next step computes.
@Suite struct LateWeightsTests {
    /// On a network so slow that a forward pass would be done before most weights are there, if it did not wait.
    @Test(arguments: [TrainingMethod.neft, .full], [1, 4])
    func changeNoBits(method: TrainingMethod, microBatches: Int) {
        let rows: @Sendable (any LanguageModel) -> TrainableRows = {
            method == .full ? $0.everyWeight : someRows(of: $0)
        }
        let data = ToyData(microBatches: microBatches)
        let alone = ToyRun(.toy(method), communicator: LocalCommunicator(), data: data, trainable: rows)
        #expect(alone.error == nil)
        for (size, perNode) in [(2, 1), (4, 2), (8, 4)] {
            for options in [
                ExchangeOptions(codec: .zstd, hierarchy: .on), ExchangeOptions(hierarchy: .on),
                ExchangeOptions(wire: .raw, hierarchy: .on),
                ExchangeOptions(mode: .allreduce, codec: .zstd, hierarchy: .on),
            ] {
                var configuration = TrainingConfiguration.toy(method)
                configuration.exchange = options
                configuration.replicaCheckInterval = 4
                let runs = ThreadCommunicator.run(size: size, ranksPerNode: perNode, delay: .milliseconds(1)) {
                    [configuration] in
                    ToyRun(configuration, communicator: $0, data: data, trainable: rows, bucketValues: 4_096)
                }
                for run in runs {
                    #expect(run.error == nil, "\(run.error ?? "")")
                    #expect(run.figures == alone.figures, "\(size) ranks, \(options)")
                    #expect(run.weights == alone.weights, "\(size) ranks, \(options)")
                }
            }
        }
    }

    /// The same from run to run where rounding leaves remainders, and the replicas stay equal.
    @Test func changeNoBitsOfARoundedWire() {
        var configuration = TrainingConfiguration.toy(steps: 7)
        configuration.exchange = ExchangeOptions(wire: .bf16, codec: .zstd)
        /// Every step's weights in place before the next one begins; or as they come.
        func run(checkedEvery interval: Int) -> [ToyRun] {
            configuration.replicaCheckInterval = interval
            return ThreadCommunicator.run(size: 4, delay: .milliseconds(1)) { [configuration] in
                ToyRun(configuration, communicator: $0, bucketValues: 4_096)
            }
        }
        let (settled, late) = (run(checkedEvery: 1), run(checkedEvery: 100))
        for run in settled + late {
            #expect(run.error == nil && run.weights == settled[0].weights && run.figures == settled[0].figures)
        }
    }

    private struct Step: Sendable {
        var late: [[UInt32]] = []
        var settled: [[UInt32]] = []
        var progress: [TrainingProgress] = []
    }

    private func steps(settles: Bool) -> [Step] {
        ThreadCommunicator.run(size: 2, delay: .milliseconds(30)) { communicator in
            let model = makeTinyDecoder()
            var configuration = TrainingConfiguration.toy()
            configuration.exchange.wire = .raw
            var outcome = Step()
            guard
                let trainer = try? Trainer(
                    model: model, trainable: someRows(of: model), data: ToyData(), configuration: configuration,
                    communicator: communicator, team: model.team, bucketValues: 4_096)
            else { return outcome }
            for _ in 0..<2 {
                guard let progress = try? trainer.performStep(settles: settles) else { return outcome }
                outcome.progress.append(progress)
            }
            outcome.late = weightBits(model)
            try? trainer.settle()
            outcome.settled = weightBits(model)
            return outcome
        }
    }

    /// A step returns before its weights are everywhere; the next one waits for them and says so.
    @Test func countForTheStepThatWaits() throws {
        let (late, settled) = (steps(settles: false), steps(settles: true))
        for rank in 0..<2 {
            let (a, b) = (late[rank], settled[rank])
            try #require(a.progress.count == 2 && b.progress.count == 2)
            #expect(a.late != a.settled, "nothing was on its way")
            #expect(b.late == b.settled && a.settled == b.settled)
            // Of each half there are three buckets, of at least 30 ms, behind which nothing is computed for long.
            #expect(a.progress[1].exchangeSeconds > 0.15)
            #expect(a.progress[0].wireBytes < b.progress[0].wireBytes)
            #expect(a.progress[1].wireBytes == b.progress[1].wireBytes)
            for step in a.progress + b.progress {
                #expect(step.stepSeconds >= step.computeSeconds + step.exchangeSeconds)
            }
        }
    }
}
