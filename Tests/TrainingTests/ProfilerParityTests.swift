import Checkpoints
import Collectives
import Foundation
import Kernels
import Models
import Neurons
import TestSupport
import Testing

@testable import Training

/// Scores against PyTorch's, and the profilers that look at activations.
@Suite struct ProfilerParityTests {
    private struct Rows: Decodable {
        let steps: [[[Int]]]
        let classes: [String]
        let rowClasses: [Int]
    }

    /// The fixture's batches.
    private struct FixtureData: TrainingData {
        let fixture: Rows
        let rows: [ParityFixture.Row]
        var classes: [String]
        var stepsPerEpoch: Int { fixture.steps.count }
        var maxMicroBatches: Int { 2 }

        init(classes: [String]? = nil) throws {
            let data = try Data(contentsOf: URL(fileURLWithPath: FixturePath.committed("profiles/rows.json")))
            fixture = try JSONDecoder().decode(Rows.self, from: data)
            rows = try ParityFixture.decode([ParityFixture.Row].self, "rows.json")
            self.classes = classes ?? fixture.classes
        }

        func step(_ step: Int) -> TrainingStep {
            let numbers = fixture.steps[step]
            let batches = numbers.map { ParityFixture.batch($0.map { rows[$0] }) }
            return TrainingStep(
                microBatchCount: batches.count, targetTokens: batches.reduce(0) { $0 + $1.targetCount },
                tokens: batches.reduce(0) { $0 + $1.rowTokenCount },
                rowClasses: { numbers[$0].map { fixture.rowClasses[$0] } }, microBatch: { batches[$0] })
        }
    }

    private static func profile(
        _ method: ProfileMethod, over communicator: any Communicator, data: FixtureData, threads: Int = 1,
        adjust: (Decoder) -> Void = { _ in }
    ) throws -> NeuronProfile {
        let model = try Decoder.load(
            ModelFiles.open(ParityFixture.path("tiny")), team: WorkerTeam(threads: threads))
        adjust(model)
        let run = try ProfilingRun(
            method: method, steps: 3, learningRate: method == .weightShift ? 1e-3 : nil, seed: 1, model: model,
            baseHash: "base", communicator: communicator,
            team: model.team)
        return try run.run(data: data)
    }

    @Test(arguments: [ProfileMethod.gradient, .activation, .probeless, .weightShift])
    func scoresAreThoseOfPyTorch(method: ProfileMethod) throws {
        let data = try FixtureData()
        let found = try Self.profile(method, over: LocalCommunicator(), data: data)
        let file = try SafetensorsFile(path: FixturePath.committed("profiles/scores.safetensors"))
        var (expected, lessExact) = (found, 0)
        for index in expected.modules.indices {
            expected.modules[index].scores = try file.doubles("\(method.rawValue).\(expected.modules[index].name)")
            let scores = found.modules[index].scores
            #expect(scores.count == expected.modules[index].scores.count)
            let size = expected.modules[index].scores.max()!
            for (a, b) in zip(scores, expected.modules[index].scores) {
                // A difference of means is as exact as the means. AdamW divides a gradient that nearly cancels by its
                // own size, rounding included: of a few rows the shift is less exact.
                let error = abs(a - b) / (method == .probeless ? size : b)
                #expect(error <= (method == .weightShift ? 5e-5 : 1e-5), "\(expected.modules[index].name)")
                lessExact += error > 1e-5 ? 1 : 0
            }
        }
        #expect(lessExact <= 5)
        let all = { (profile: NeuronProfile) in profile.modules.flatMap { $0.scores.map { Float($0) } } }
        #expect(relativeError(all(found), all(expected)) < 1e-5)
        #expect(Set(all(found)).count > 900)
        for scope in SelectionScope.allCases {
            let (ours, theirs) = (
                try found.select(share: 0.06, scope: scope), try expected.select(share: 0.06, scope: scope)
            )
            #expect(ours.modules == theirs.modules)
        }
        #expect(found.method == method.rawValue && found.details["steps"] == "3")
    }

    /// The same bits for any number of ranks and threads, powers of two or not.
    @Test(arguments: [ProfileMethod.activation, .probeless])
    func bitsDoNotDependOnRanks(method: ProfileMethod) throws {
        let alone = try Self.profile(method, over: LocalCommunicator(), data: try FixtureData())
        #expect(try Self.profile(method, over: LocalCommunicator(), data: try FixtureData(), threads: 3) == alone)
        for size in [2, 3, 4] {
            let profiles = ThreadCommunicator.run(size: size) { communicator in
                Result { try Self.profile(method, over: communicator, data: try FixtureData()) }
            }
            for profile in profiles { #expect(try profile.get() == alone, "\(size) ranks") }
        }
    }

    @Test func detailsSayHowTheScoresWereMade() throws {
        let probeless = try Self.profile(.probeless, over: LocalCommunicator(), data: try FixtureData())
        #expect(probeless.details["classes"] == "bad, good, so-so")
        let data = try FixtureData()
        let activation = try Self.profile(.activation, over: LocalCommunicator(), data: data)
        let tokens = data.fixture.steps.joined().joined().reduce(0) { $0 + data.rows[$1].tokens.count }
        #expect(activation.details["tokens"] == "\(tokens)")
        #expect(activation.details["classes"] == nil)
    }

    /// On every rank the same message.
    @Test func refusesClassesThatCannotBeCompared() throws {
        for (classes, says) in [
            ([], "rows without labels"), (["one"], "1 different labels"),
            ((0..<65).map { "\($0)" }, "65 different labels"), (["a", "b", "c", "d"], "no row of class \"d\""),
        ] {
            let errors = ThreadCommunicator.run(size: 2) { communicator in
                do {
                    _ = try Self.profile(.probeless, over: communicator, data: try FixtureData(classes: classes))
                    return ""
                } catch { return "\(error)" }
            }
            #expect(errors.allSatisfy { $0.contains(says) }, "\(errors)")
        }
    }

    @Test func refusesActivationsThatAreNotFinite() {
        let errors = ThreadCommunicator.run(size: 2) { communicator in
            do {
                _ = try Self.profile(.activation, over: communicator, data: try FixtureData()) { model in
                    // Copy on write: the file itself stays as it is.
                    model.parameters[3].tensor.pointer[0] = .infinity
                }
                return ""
            } catch { return "\(error)" }
        }
        #expect(errors.allSatisfy { $0.hasPrefix("profile: an activation that is not finite") }, "\(errors)")
    }
}
