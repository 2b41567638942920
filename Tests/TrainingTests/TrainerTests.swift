import Collectives
import Foundation
import Kernels
import Models
import Neurons
import TestSupport
import Testing

@testable import Training

@Suite struct TrainerTests {
    @Test(arguments: TrainingMethod.allCases)
    func learns(method: TrainingMethod) {
        let run = ToyRun(
            .toy(method, steps: 30), communicator: LocalCommunicator(),
            trainable: { model in
                switch method {
                case .neft: return someRows(of: model)
                case .full: return model.everyWeight
                case .linear: return model.everyNeuron
                case .lora:
                    model.attach(LowRankConfiguration(rank: 8, alpha: 32, dropout: 0.05), seed: 1)
                    return model.lowRankRows
                }
            })
        #expect(run.error == nil)
        #expect(run.progress.map(\.step) == Array(1...30))
        #expect(run.progress[0].loss > 4)
        #expect(run.progress[29].loss < 0.6 * run.progress[0].loss)
    }

    /// The same bits in the model, the same losses and norms: for 1, 2 and 4 ranks and every way of exchanging.
    @Test(arguments: [TrainingMethod.neft, .full], TinyForm.allCases)
    func bitsDoNotDependOnRanks(method: TrainingMethod, form: TinyForm) {
        let rows: @Sendable (any LanguageModel) -> TrainableRows = {
            method == .full ? $0.everyWeight : someRows(of: $0)
        }
        for microBatches in form == .llama ? [1, 3, 4] : [3] {
            let data = ToyData(microBatches: microBatches)
            let alone = ToyRun(
                .toy(method), communicator: LocalCommunicator(), data: data, trainable: rows, form: form)
            #expect(alone.error == nil)
            #expect(alone.weights != weightBits(makeTinyDecoder(form)))
            for size in [1, 2, 4] {
                for options in [
                    ExchangeOptions(), ExchangeOptions(codec: .zstd), ExchangeOptions(wire: .raw),
                    ExchangeOptions(mode: .allreduce, codec: .zstd),
                    ExchangeOptions(mode: .allreduce, wire: .raw),
                ] {
                    var configuration = TrainingConfiguration.toy(method)
                    configuration.exchange = options
                    configuration.replicaCheckInterval = 2
                    let runs = ThreadCommunicator.run(size: size) { [configuration] communicator in
                        ToyRun(
                            configuration, communicator: communicator, data: data, trainable: rows, form: form)
                    }
                    #expect(runs.count == size)
                    for run in runs {
                        #expect(run.error == nil)
                        #expect(run.figures == alone.figures, "\(size) ranks, \(options)")
                        #expect(run.weights == alone.weights, "\(size) ranks, \(options)")
                    }
                }
            }
        }
    }

    /// Three ranks add in another order than one, but all three alike.
    @Test func threeRanksAgree() {
        let runs = ThreadCommunicator.run(size: 3) { ToyRun(.toy(), communicator: $0) }
        let alone = ToyRun(.toy(), communicator: LocalCommunicator())
        #expect(runs.allSatisfy { $0.error == nil && $0.weights == runs[0].weights })
        for (a, b) in zip(runs[0].progress, alone.progress) { #expect(abs(a.loss - b.loss) < 1e-5) }
    }

    @Test func threadsDoNotChangeBits() {
        let one = ToyRun(.toy(.full), communicator: LocalCommunicator(), trainable: { $0.everyWeight })
        let three = ToyRun(.toy(.full), communicator: LocalCommunicator(), trainable: { $0.everyWeight }, threads: 3)
        #expect(one.weights == three.weights)
    }

    /// A run by the book: one gradient of the whole batch, clipped, AdamW in Double.
    @Test func followsTheBook() throws {
        var configuration = TrainingConfiguration.toy(steps: 5)
        configuration.schedule = .cosine
        configuration.warmup = .steps(2)
        configuration.weightDecay = 0.1
        configuration.maxGradNorm = 0.5
        let data = ToyData()
        let run = ToyRun(configuration, communicator: LocalCommunicator(), data: data)
        #expect(run.error == nil)

        let model = makeTinyDecoder()
        let trainable = someRows(of: model)
        let access = PackedRowAccess(trainable, parameters: model.parameters)
        var weights = [Float](repeating: 0, count: access.count)
        weights.withUnsafeMutableBufferPointer { access.gather(0..<access.count, into: $0.baseAddress!) }
        let start = weights
        var exact = weights.map(Double.init)
        var (first, second) = (exact.map { _ in 0.0 }, exact.map { _ in 0.0 })
        let rates = [0.5, 1, 1, 0.75, 0.25].map { $0 * 1e-2 }
        for step in 0..<5 {
            let batches = data.microBatches(step)
            let targets = batches.reduce(0) { $0 + $1.targetCount }
            var gradient = [Double](repeating: 0, count: access.count)
            var loss = 0.0
            for batch in batches {
                let one = model.gradients(batch, trainable: trainable, lossScale: 1)
                loss += one.loss / Double(targets)
                for i in gradient.indices { gradient[i] += Double(one.gradient[i]) / Double(targets) }
            }
            let norm = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
            #expect(abs(run.progress[step].loss - loss) < 1e-5 * loss)
            #expect(abs(run.progress[step].gradientNorm - norm) < 1e-4 * norm)
            #expect(abs(run.progress[step].learningRate - rates[step]) < 1e-15)
            #expect(norm > 0.5, "or clipping is not tested")
            for i in exact.indices {
                exact[i] = adamWReference(
                    weight: exact[i], gradient: gradient[i], firstMoment: &first[i], secondMoment: &second[i],
                    update: step + 1, learningRate: rates[step], weightDecay: 0.1,
                    gradientScale: min(1, 0.5 / (norm + 1e-6)))
            }
            weights = exact.map { Float($0) }
            weights.withUnsafeBufferPointer { access.scatter($0.baseAddress!, to: 0..<access.count) }
        }
        let trained = trainable.entries.flatMap { entry in
            entry.rows!.flatMap { row in
                run.weights[entry.parameter][Int(row) * entry.columns..<(Int(row) + 1) * entry.columns].map {
                    Float(bitPattern: $0)
                }
            }
        }
        let moved = zip(weights, start).map { $0 - $1 }
        #expect(relativeError(zip(trained, start).map { $0 - $1 }, moved) < 1e-3)
    }

    @Test func leavesOtherRowsAlone() {
        let before = weightBits(makeTinyDecoder())
        let run = ToyRun(.toy(), communicator: LocalCommunicator())
        let model = makeTinyDecoder()
        let entries = Dictionary(uniqueKeysWithValues: someRows(of: model).entries.map { ($0.parameter, $0) })
        for (index, parameter) in model.parameters.enumerated() {
            let rows = Set((entries[index]?.rows ?? []).map(Int.init))
            for row in 0..<parameter.rows {
                let values = row * parameter.columns..<(row + 1) * parameter.columns
                #expect((run.weights[index][values] == before[index][values]) == !rows.contains(row))
            }
        }
    }

    @Test func summarises() {
        let run = ToyRun(.toy(steps: 9), communicator: LocalCommunicator())
        let losses = run.progress.map(\.loss)
        #expect(run.summary.steps == 9)
        #expect(run.summary.finalLoss == losses.reduce(0, +) / 9)
        #expect(run.summary.tokens == run.progress.reduce(0) { $0 + $1.tokens })
        #expect(run.progress.map(\.epoch) == [1, 1, 1, 1, 2, 2, 2, 2, 3])
        #expect(
            run.progress.allSatisfy {
                $0.stepSeconds >= $0.computeSeconds + $0.exchangeSeconds && $0.computeSeconds > 0
            })
        #expect(run.summary.wireBytes == 0)
        var coded = TrainingConfiguration.toy()
        coded.exchange.codec = .zstd
        let two = ThreadCommunicator.run(size: 2) { [coded] in ToyRun(coded, communicator: $0) }
        #expect(two.allSatisfy { $0.progress.allSatisfy { $0.wireBytes > 0 && $0.wireBytes < $0.rawBytes } })
    }
}

@Suite struct TrainerFailureTests {
    /// Spoils a weight that the gradient depends on, for one step.
    private func spoiling(step: Int, configuration: TrainingConfiguration, size: Int) -> [ToyRun] {
        ThreadCommunicator.run(size: size) { communicator in
            var kept: Float = 0
            return ToyRun(
                configuration, communicator: communicator,
                report: { progress, model in
                    let norm = model.parameters.last!.tensor.pointer
                    if progress.step == step {
                        kept = norm[0]
                        norm[0] = .nan
                    } else if progress.step == step + 1 {
                        norm[0] = kept
                    }
                })
        }
    }

    @Test func stopsAtAGradientThatIsNotFinite() {
        for size in [1, 2] {
            for run in spoiling(step: 2, configuration: .toy(), size: size) {
                #expect(run.progress.count == 2)
                #expect(run.error?.hasPrefix("step 3: a gradient that is not finite") == true, "\(run.error ?? "")")
            }
        }
    }

    @Test func leavesBadStepsOut() {
        var configuration = TrainingConfiguration.toy()
        configuration.maxBadSteps = 1
        let runs = spoiling(step: 2, configuration: configuration, size: 2)
        for run in runs {
            #expect(run.error == nil)
            #expect(run.progress.map(\.isSkipped) == [false, false, true, false, false, false])
            #expect(run.summary.skippedSteps == 1)
            #expect(run.summary.finalLoss.isFinite)
            #expect(run.weights == runs[0].weights)
        }
        #expect(!runs[0].weights.joined().contains { Float(bitPattern: $0).isNaN })
    }

    /// A rank that has fallen out of step is noticed in the same step.
    @Test func namesTheRankThatIsElsewhere() {
        let errors = ThreadCommunicator.run(size: 3) { communicator in
            let header = StepHeader(step: communicator.rank == 1 ? 5 : 4, rows: 255)
            let all = communicator.allGather(header.bytes).map { StepHeader($0) }
            do throws(CollectiveError) {
                return "\(String(describing: try header.agree(with: all, over: communicator)))"
            } catch {
                return error.description
            }
        }
        #expect(errors.allSatisfy { $0.hasPrefix("training step: rank 1 on ") && $0.contains("has step 6 of rows ff") })
    }

    /// The last good state is kept for when the cause has been found.
    @Test func savesTheStateBeforeABadStep() {
        let runs = ThreadCommunicator.run(size: 2) { communicator -> (saved: [Int], error: String) in
            let model = makeTinyDecoder()
            var saved: [Int] = []
            do {
                let trainer = try Trainer(
                    model: model, trainable: someRows(of: model), data: ToyData(), configuration: .toy(),
                    communicator: communicator, team: model.team)
                try trainer.run(control: RunControl(save: { saved.append($0.step) })) { progress in
                    if progress.step == 2 { model.parameters.last!.tensor.pointer[0] = .nan }
                }
                return (saved, "none")
            } catch {
                return (saved, "\(error)")
            }
        }
        for run in runs {
            #expect(run.saved == [2])
            #expect(run.error.hasPrefix("step 3: a gradient that is not finite"), "\(run.error)")
            #expect(run.error.hasSuffix("the state after step 2 is saved"), "\(run.error)")
        }
    }

    @Test func namesTheRankWhoseWeightsDiffer() {
        var configuration = TrainingConfiguration.toy()
        configuration.replicaCheckInterval = 2
        let runs = ThreadCommunicator.run(size: 4) { [configuration] communicator in
            let rank = communicator.rank
            return ToyRun(
                configuration, communicator: communicator,
                report: { progress, model in
                    if rank == 2 && progress.step == 2 { model.parameters[0].tensor.pointer[0] += 1 }
                })
        }
        for run in runs {
            #expect(run.progress.count == 2)
            #expect(run.error?.hasPrefix("weights after step 2: rank 2 on ") == true, "\(run.error ?? "")")
        }
    }

    @Test func namesTheRankWhoseConfigurationDiffers() {
        let runs = ThreadCommunicator.run(size: 3) { communicator in
            var configuration = TrainingConfiguration.toy()
            if communicator.rank == 1 { configuration.learningRate = 2e-2 }
            return ToyRun(configuration, communicator: communicator)
        }
        for run in runs {
            #expect(run.progress.isEmpty)
            #expect(run.error?.hasPrefix("--learning-rate: rank 1 on ") == true, "\(run.error ?? "")")
        }
    }

    @Test func namesTheRankWhoseModelDiffers() {
        let runs = ThreadCommunicator.run(size: 2) { communicator in
            let rank = communicator.rank
            return ToyRun(
                .toy(), communicator: communicator,
                trainable: { model in
                    if rank == 1 { model.parameters[0].tensor.pointer[0] += 1 }
                    return someRows(of: model)
                })
        }
        for run in runs {
            #expect(run.progress.isEmpty)
            #expect(run.error?.hasPrefix("weights before training: rank 1 on ") == true, "\(run.error ?? "")")
        }
    }

    @Test func refusesWhatCannotWork() {
        func message(_ change: (inout TrainingConfiguration) -> Void) -> String? {
            var configuration = TrainingConfiguration(method: .neft)
            change(&configuration)
            do { try configuration.validate() } catch { return "\(error)" }
            return nil
        }
        #expect(message { _ in } == nil)
        #expect(message { $0.learningRate = 0 }?.hasPrefix("--learning-rate: 0.0; expected more than 0") == true)
        #expect(message { $0.learningRate = .infinity }?.hasPrefix("--learning-rate: inf") == true)
        #expect(message { $0.epochs = 0 }?.hasPrefix("--epochs: 0") == true)
        #expect(message { $0.maxSteps = -1 }?.hasPrefix("--max-steps: -1") == true)
        #expect(message { $0.maxGradNorm = .nan }?.hasPrefix("--max-grad-norm: nan") == true)
        #expect(message { $0.maxGradNorm = .infinity } == nil)
        #expect(message { $0.weightDecay = -0.1 }?.hasPrefix("--weight-decay: -0.1") == true)
        #expect(message { $0.maxBadSteps = -1 }?.hasPrefix("--max-bad-steps: -1") == true)
        #expect(message { $0.warmup = .share(1.2) }?.hasPrefix("--warmup: 120.0%") == true)
        #expect(message { $0.warmup = .steps(-2) }?.hasPrefix("--warmup: -2") == true)
    }
}
