import Collectives
import Foundation
import Kernels
import Models
import Neurons
import TestSupport
import Testing

@testable import Training

@Suite struct ProfilingRunTests {
    private struct Outcome: Sendable {
        var profile: NeuronProfile?
        var weightsKept = false
        var error: String?
        var progress: [ProfilingRun.Progress] = []
    }

    private static func profile(
        _ method: ProfileMethod, steps: Int, communicator: any Communicator, data: ToyData = ToyData(),
        exchange: ExchangeOptions = .init(), model: Decoder = makeTinyDecoder(), takesWholeBatches: Bool = false,
        untouched: (() -> Decoder)? = nil
    ) -> Outcome {
        var outcome = Outcome()
        let before = weightBits(model)
        do {
            var run = try ProfilingRun(
                method: method, steps: steps, learningRate: 1e-2, seed: 3, exchange: exchange, model: model,
                baseHash: "base", communicator: communicator, team: model.team, untouched: untouched)
            run.takesWholeBatches = takesWholeBatches
            outcome.profile = try run.run(data: data) { outcome.progress.append($0) }
        } catch {
            outcome.error = "\(error)"
        }
        outcome.weightsKept = weightBits(model) == before
        return outcome
    }

    private func scores(_ profile: NeuronProfile?) -> [UInt64] {
        (profile?.modules ?? []).flatMap { $0.scores.map(\.bitPattern) }
    }

    /// The same bits for 1, 2 and 4 ranks; every rank has all scores; the model is left as it was.
    @Test(arguments: [ProfileMethod.gradient, .weightShift], [TinyForm.llama, .biased])
    func bitsDoNotDependOnRanks(method: ProfileMethod, form: TinyForm) {
        let alone = Self.profile(method, steps: 3, communicator: LocalCommunicator(), model: makeTinyDecoder(form))
        #expect(alone.error == nil && alone.weightsKept)
        #expect(alone.progress.map(\.step) == [1, 2, 3])
        #expect(scores(alone.profile).count == makeTinyDecoder().neuronCount)
        #expect(Set(scores(alone.profile)).count > 1_000)
        for size in [2, 4] {
            for mode in ExchangeOptions.Mode.allCases {
                let outcomes = ThreadCommunicator.run(size: size) {
                    Self.profile(
                        method, steps: 3, communicator: $0, exchange: ExchangeOptions(mode: mode),
                        model: makeTinyDecoder(form))
                }
                for outcome in outcomes {
                    #expect(outcome.error == nil && outcome.weightsKept)
                    #expect(outcome.profile == alone.profile, "\(size) ranks, \(mode)")
                    #expect(scores(outcome.profile) == scores(alone.profile), "\(size) ranks, \(mode)")
                }
            }
        }
    }

    /// Ranks that take whole batches in turn find the same bits as one that takes all, also where the last batches are fewer
    /// than the ranks. Where that would compute longer, they share each batch.
    @Test(arguments: [TinyForm.llama, .biased]) func wholeBatchesGiveTheSameBits(form: TinyForm) {
        for (size, steps) in [(2, [2, 4]), (3, [3, 4]), (4, [4]), (8, [4]), (2, [1, 2, 3])] {
            let count = steps.max() ?? 0
            let alone = Self.profile(
                .gradient, steps: count, communicator: LocalCommunicator(), model: makeTinyDecoder(form))
            let outcomes = ThreadCommunicator.run(size: size) {
                Self.profile(
                    .gradient, steps: count, communicator: $0, model: makeTinyDecoder(form), takesWholeBatches: true)
            }
            #expect(outcomes.count == size)
            for outcome in outcomes {
                #expect(outcome.error == nil && outcome.weightsKept)
                #expect(outcome.progress.map(\.step) == steps)
                #expect(scores(outcome.profile) == scores(alone.profile), "\(size) ranks")
                let losses = outcome.progress.compactMap(\.loss).reduce(0, +)
                let perStep = Double(count) / Double(steps.count)
                #expect(size == 3 || abs(losses * perStep - alone.progress.compactMap(\.loss).reduce(0, +)) < 1e-9)
                #expect(
                    outcome.progress.map(\.tokens).reduce(0, +) == alone.progress.map(\.tokens).reduce(0, +))
            }
        }
    }

    /// Where products are computed in bfloat16, rows are read for their scores and not kept as floats.
    @Test(.enabled(if: CPU.hasBFloat16)) func gradientKeepsNoFloats() {
        let model = makeTinyDecoder(compute: .bfloat16, isHalfOnly: true)
        let outcome = Self.profile(.gradient, steps: 2, communicator: LocalCommunicator(), model: model)
        #expect(outcome.error == nil && Set(scores(outcome.profile)).count > 1_000)
        let tensors = model.projections.map { model.parameters[$0.parameter].tensor }
        #expect(tensors.count > 7)
        for tensor in tensors {
            // Zero until a row is put in place.
            #expect((0..<tensor.count).allSatisfy { tensor.pointer[$0] == 0 }, "\(tensor.name)")
        }
        for tensor in tensors { tensor.materialise(nil) }
        let kept = Self.profile(.gradient, steps: 2, communicator: LocalCommunicator(), model: model)
        #expect(scores(kept.profile) == scores(outcome.profile))
    }

    /// A rank that is asked to stop ends all of them, after the round of batches.
    @Test(arguments: [false, true]) func stopsOnAllRanks(takesWholeBatches: Bool) {
        let stops = ThreadCommunicator.run(size: 2) { communicator -> StopRequest? in
            let model = makeTinyDecoder()
            var steps = 0
            do {
                var run = try ProfilingRun(
                    method: .gradient, steps: 4, seed: 3, model: model, baseHash: "base", communicator: communicator,
                    team: model.team)
                run.takesWholeBatches = takesWholeBatches
                run.signal = { communicator.rank == 1 ? 15 : 0 }
                _ = try run.run(data: ToyData()) { steps = $0.step }
            } catch let stop as StopRequest {
                return steps == (takesWholeBatches ? 2 : 1) ? stop : nil
            } catch {}
            return nil
        }
        #expect(stops == [StopRequest(signal: 15, rank: 1), StopRequest(signal: 15, rank: 1)])
    }

    /// With a second model to compare with, instead of a copy of the weights.
    @Test(arguments: [false, true])
    func originalWeightsAreReadAgain(isHalfOnly: Bool) {
        func model() -> Decoder {
            isHalfOnly && CPU.hasBFloat16 ? makeTinyDecoder(compute: .bfloat16, isHalfOnly: true) : makeTinyDecoder()
        }
        let copied = Self.profile(.weightShift, steps: 2, communicator: LocalCommunicator(), model: model())
        let reread = Self.profile(
            .weightShift, steps: 2, communicator: LocalCommunicator(), model: model(), untouched: model)
        #expect(reread.error == nil && reread.weightsKept)
        #expect(scores(reread.profile) == scores(copied.profile))
        #expect(Set(scores(reread.profile)).count > 1_000)
    }

    /// Σ over batches of Σ over the row and its bias of |w · g|, with g the gradient of the batch's mean loss.
    @Test(arguments: [TinyForm.llama, .biased]) func gradientScoresFollowTheirDefinition(form: TinyForm) {
        let data = ToyData()
        let outcome = Self.profile(
            .gradient, steps: 2, communicator: LocalCommunicator(), data: data, model: makeTinyDecoder(form))
        let model = makeTinyDecoder(form)
        var first: [String: Int] = [:]
        var count = 0
        for entry in model.projections {
            first[entry.module] = count
            count += entry.rows
        }
        let trainable = model.everyNeuron
        var sums = [Double](repeating: 0, count: model.neuronCount)
        for step in 0..<2 {
            let batches = data.microBatches(step)
            let targets = Double(batches.reduce(0) { $0 + $1.targetCount })
            var gradient = [Double](repeating: 0, count: trainable.count)
            for batch in batches {
                let one = model.gradients(batch, trainable: trainable, lossScale: 1).gradient
                for i in gradient.indices { gradient[i] += Double(one[i]) / targets }
            }
            for entry in trainable.entries {
                let neuron = first[model.parameters[entry.parameter].module]!
                for row in 0..<entry.rowCount {
                    for column in 0..<entry.columns {
                        let index = row * entry.columns + column
                        let weight = model.parameters[entry.parameter].tensor.pointer[index]
                        sums[neuron + row] += abs(Double(weight) * gradient[entry.offset + index])
                    }
                }
            }
        }
        let found = (outcome.profile?.modules ?? []).flatMap { $0.scores.map { Float($0) } }
        #expect(relativeError(found, sums.map { Float($0) }) < 1e-5)
        #expect(outcome.profile?.method == "gradient" && outcome.profile?.baseHash == "base")
    }

    /// A batch is never scored twice, however many steps are asked for.
    @Test func gradientStopsAfterOnePassOverTheData() {
        let outcome = Self.profile(.gradient, steps: 50, communicator: LocalCommunicator())
        #expect(outcome.progress.count == 4)
        #expect(outcome.profile?.details["steps"] == "4")
    }

    /// `1 − cos` between the rows before and after the same full fine-tune done by a trainer.
    @Test(arguments: [TinyForm.llama, .biased]) func weightShiftComparesWithAFullFineTune(form: TinyForm) {
        let outcome = Self.profile(
            .weightShift, steps: 6, communicator: LocalCommunicator(), model: makeTinyDecoder(form))
        var configuration = TrainingConfiguration.toy(.full, steps: 6)
        configuration.epochs = 2
        let run = ToyRun(configuration, communicator: LocalCommunicator(), trainable: { $0.everyWeight }, form: form)
        let model = makeTinyDecoder(form)
        var expected: [Double] = []
        for entry in model.projections {
            let parameter = model.parameters[entry.parameter]
            for row in 0..<entry.rows {
                let values = row * parameter.columns..<(row + 1) * parameter.columns
                var before = values.map { Double(parameter.tensor.pointer[$0]) }
                var after = run.weights[entry.parameter][values].map { Double(Float(bitPattern: $0)) }
                if let bias = entry.bias {
                    before.append(Double(model.parameters[bias].tensor.pointer[row]))
                    after.append(Double(Float(bitPattern: run.weights[bias][row])))
                }
                func product(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }
                expected.append(
                    1 - product(before, after) / (product(before, before) * product(after, after)).squareRoot())
            }
        }
        let found = (outcome.profile?.modules ?? []).flatMap(\.scores)
        #expect(found.count == expected.count)
        for (a, b) in zip(found, expected) { #expect(abs(a - b) < 1e-13 + 1e-9 * b) }
        #expect(found.contains { $0 > 1e-4 })
    }

    /// Only a few feed-forward neurons can reach the output: they and the rows they feed, and no others, have a score.
    @Test(arguments: [ProfileMethod.gradient, .weightShift])
    func findsPlantedNeurons(method: ProfileMethod) throws {
        let live: Set<Int> = [3, 4, 17, 42, 79]
        let model = makeTinyDecoder { name, weights in
            if name.hasSuffix("o_proj.weight") { weights.update(repeating: 0) }
            if name.hasSuffix("down_proj.weight") {
                for index in weights.indices where !live.contains(index % 80) { weights[index] = 0 }
            }
        }
        let profile = try #require(
            Self.profile(method, steps: 2, communicator: LocalCommunicator(), model: model).profile)
        let gateAndUp = profile.modules.filter { $0.projection == .gate || $0.projection == .up }
        #expect(gateAndUp.count == 6)
        switch method {
        case .gradient:
            // Attention cannot reach the output, the other neurons neither: their rows have no gradient, or no weight.
            let expected = profile.modules.flatMap { module in
                module.scores.indices.filter { row in
                    switch module.projection {
                    case .gate, .up: live.contains(row)
                    case .down: true
                    default: false
                    }
                }.map { NeuronID(layer: module.layer, projection: module.projection, row: $0) }
            }
            let mask = try profile.select(share: Double(expected.count) / Double(profile.neuronCount))
            let found = mask.modules.flatMap { module in
                module.rows.map { NeuronID(layer: module.layer, projection: module.projection, row: Int($0)) }
            }
            #expect(found == expected)
            #expect(profile.modules.flatMap(\.scores).filter { $0 > 0 }.count == expected.count)
        default:
            // Training opens the other neurons' way to the output, so they move too, but later and less.
            for module in gateAndUp {
                let planted = live.map { module.scores[$0] }.min()!
                let others = module.scores.indices.filter { !live.contains($0) }.map { module.scores[$0] }.sorted()
                #expect(planted > others[others.count / 2])
            }
        }
    }

    @Test func refusesNoSteps() {
        let outcome = Self.profile(.gradient, steps: 0, communicator: LocalCommunicator())
        #expect(outcome.error?.hasPrefix("--steps: 0; expected at least 1") == true)
    }

    @Test(arguments: [false, true]) func refusesAGradientThatIsNotFinite(takesWholeBatches: Bool) {
        let outcomes = ThreadCommunicator.run(size: 2) { communicator in
            let model = makeTinyDecoder { name, weights in if name == "model.norm.weight" { weights[0] = .nan } }
            return Self.profile(
                .gradient, steps: 2, communicator: communicator, model: model, takesWholeBatches: takesWholeBatches)
        }
        for outcome in outcomes { #expect(outcome.error?.hasPrefix("profile: a gradient that is not finite") == true) }
    }

    @Test func randomScoresComeFromTheSeed() {
        let one = Self.profile(.random, steps: 0, communicator: LocalCommunicator())
        #expect(one.profile == NeuronProfile.random(model: makeTinyDecoder(), seed: 3, baseHash: "base"))
    }
}

@Suite struct MaskAgreementTests {
    private static let profile = NeuronProfile.random(model: makeTinyDecoder(), seed: 2, baseHash: "base")

    private static func outcomes(
        size: Int, _ body: @escaping @Sendable (any Communicator) throws -> NeuronMask
    ) -> [Result<NeuronMask, TextError>] {
        ThreadCommunicator.run(size: size) { communicator in
            Result { try body(communicator) }.mapError { TextError(text: "\($0)") }
        }
    }

    private struct TextError: Error { let text: String }

    @Test func everyRankGetsTheMaskOfRankZero() throws {
        let expected = try Self.profile.select(share: 0.06)
        for outcome in Self.outcomes(
            size: 4,
            { communicator in
                try MaskAgreement.select(
                    share: 0.06, scope: .global,
                    from: communicator.rank == 0
                        ? Self.profile : NeuronProfile.random(model: makeTinyDecoder(), seed: 9, baseHash: "other"),
                    over: communicator)
            })
        {
            #expect(try outcome.get() == expected)
        }
    }

    @Test func everyRankThrowsWhatRankZeroThrows() {
        for share in [0, 2, 1e-9] {
            let outcomes = Self.outcomes(size: 3) {
                try MaskAgreement.select(share: share, scope: .global, from: Self.profile, over: $0)
            }
            #expect(outcomes.count == 3)
            for outcome in outcomes {
                guard case .failure(let error) = outcome else {
                    Issue.record("no error for \(share)")
                    continue
                }
                #expect(error.text.hasPrefix("--top: "), "\(error.text)")
            }
        }
    }

    @Test func namesTheRankWhoseMaskDiffers() throws {
        let masks = try [0.06, 0.06, 0.07].map { try Self.profile.select(share: $0) }
        let outcomes = Self.outcomes(size: 3) { communicator in
            try MaskAgreement.verify(masks[communicator.rank], over: communicator)
            return masks[0]
        }
        for outcome in outcomes {
            guard case .failure(let error) = outcome else {
                Issue.record("no error")
                continue
            }
            #expect(error.text.hasPrefix("neuron mask: rank 2 on "), "\(error.text)")
        }
    }
}
