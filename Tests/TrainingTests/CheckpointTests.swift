import Collectives
import Foundation
import Kernels
import Models
import Neurons
import TestSupport
import Testing

@testable import Training

/// Part of a toy run that is saved, stopped and gone on with.
private struct Part: Sendable {
    var size = 1
    var exchange = ExchangeOptions()
    var method = TrainingMethod.neft
    var steps = 6
    var saveEvery = 0
    var keep = 2
    /// Which rank is sent a signal, and the step after which all then stop.
    var stop: (rank: Int, step: Int)?
    var resumes = false

    struct Result: Sendable {
        var run: ToyRun
        var steps = 0
        var stopRequest: StopRequest?
        var isExact = true
    }

    /// What every rank was left with.
    func run(in folder: String) -> [Result] {
        ThreadCommunicator.run(size: size) { [self] communicator in run(in: folder, communicator) }
    }

    private func run(in folder: String, _ communicator: any Communicator) -> Result {
        var configuration = TrainingConfiguration.toy(method, steps: steps)
        configuration.exchange = exchange
        let newest = communicator.rank == 0 && resumes ? TrainingCheckpoint.newest(in: folder) { _ in } : nil
        var result = Result(run: ToyRun.empty)
        let model = makeTinyDecoder()
        do {
            let bytes = communicator.broadcast(try newest?.record.bytes() ?? [])
            let trainer = try Trainer(
                model: model, trainable: method == .full ? model.everyWeight : someRows(of: model), data: ToyData(),
                configuration: configuration, communicator: communicator, team: model.team)
            if !bytes.isEmpty {
                result.isExact = try trainer.restore(newest, record: try CheckpointRecord(bytes: bytes))
            }
            let writer = CheckpointWriter(
                folder: folder, keep: keep,
                contents: .init(
                    identity: RunIdentity([]),
                    maker: .init(neftVersion: "1", arithmetic: "a", baseHash: "b", maskHash: nil), mask: nil),
                communicator: communicator)
            // It reaches the others with the header of the next step.
            let signal = {
                (stop.map { $0.rank == communicator.rank && trainer.step == $0.step - 1 } ?? false) ? SIGUSR1 : 0
            }
            let control = RunControl(saveEvery: saveEvery, signal: signal, save: writer.save)
            result.run.summary = try trainer.run(control: control) { result.run.progress.append($0) }
            result.steps = trainer.step
            result.stopRequest = trainer.stopRequest
        } catch {
            result.run.error = "\(error)"
        }
        result.run.weights = weightBits(model)
        return result
    }
}

@Suite struct CheckpointTests {
    /// Stopped twice and gone on with on other numbers of ranks: the same bits as in one go.
    @Test(arguments: [TrainingMethod.neft, .full], [[1, 2, 4], [4, 1, 2], [2, 4, 1], [4, 2, 4]])
    func resumesToTheSameBits(method: TrainingMethod, sizes: [Int]) throws {
        let scratch = try TemporaryFolder()
        let whole = Part(method: method).run(in: scratch.path)[0].run
        let parts = [
            Part(size: sizes[0], method: method, stop: (rank: sizes[0] - 1, step: 2)),
            Part(
                size: sizes[1], exchange: ExchangeOptions(mode: .allreduce, wire: .raw), method: method,
                stop: (rank: 0, step: 3), resumes: true),
            Part(size: sizes[2], exchange: ExchangeOptions(wire: .raw), method: method, resumes: true),
        ].map { $0.run(in: scratch.path) }
        #expect(parts.joined().allSatisfy { $0.run.error == nil && $0.isExact }, "\(parts[2][0].run.error ?? "")")
        #expect(
            parts[0].allSatisfy { $0.steps == 2 && $0.stopRequest == StopRequest(signal: SIGUSR1, rank: sizes[0] - 1) })
        #expect(parts[1].allSatisfy { $0.steps == 3 && $0.stopRequest == StopRequest(signal: SIGUSR1, rank: 0) })
        for result in parts[2] {
            #expect(result.steps == 6 && result.stopRequest == nil)
            #expect(result.run.weights == whole.weights)
            #expect(parts[0][0].run.figures + parts[1][0].run.figures + result.run.figures == whole.figures)
            #expect(result.run.summary.steps == 6 && result.run.summary.finalLoss == whole.summary.finalLoss)
            #expect(result.run.summary.tokens == whole.summary.tokens)
        }
    }

    /// What rounding has taken away is part of the state: the same bits with the same ranks, near ones with others.
    @Test func aWireThatRoundsKeepsItsResiduals() throws {
        let scratch = try TemporaryFolder()
        let bf16 = ExchangeOptions(wire: .bf16)
        let whole = Part(size: 4, exchange: bf16).run(in: scratch.path)
        #expect(whole[0].run.weights != Part().run(in: scratch.path)[0].run.weights, "or nothing is rounded")
        #expect(
            Part(size: 4, exchange: bf16, stop: (rank: 1, step: 3)).run(in: scratch.path).allSatisfy { $0.steps == 3 })
        let same = Part(size: 4, exchange: bf16, resumes: true).run(in: scratch.path)
        for (a, b) in zip(same, whole) {
            #expect(a.run.error == nil && a.isExact)
            #expect(a.run.weights == b.run.weights)
        }
        let other = Part(size: 2, exchange: bf16, resumes: true).run(in: scratch.path)
        for result in other {
            #expect(result.run.error == nil && !result.isExact && result.steps == 6)
            #expect(result.run.weights == other[0].run.weights)
            for (a, b) in zip(result.run.progress, whole[0].run.progress.dropFirst(3)) {
                #expect(abs(a.loss - b.loss) < 1e-2)
            }
        }
    }

    @Test func keepsTheNewest() throws {
        let scratch = try TemporaryFolder()
        let runs = Part(size: 2, steps: 9, saveEvery: 2, keep: 2).run(in: scratch.path)
        #expect(runs.allSatisfy { $0.run.error == nil })
        // None after the last step: the result follows.
        #expect(try scratch.names == ["checkpoint-000006", "checkpoint-000008"])
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: scratch.file("checkpoint-000008")).sorted() == [
                "manifest.json", "moments.safetensors", "state.json", "weights.safetensors",
            ])
        // The same steps again, from before them: later checkpoints go.
        try FileManager.default.removeItem(atPath: scratch.file("checkpoint-000008"))
        let again = Part(size: 1, steps: 9, stop: (0, 7), resumes: true).run(in: scratch.path)[0]
        #expect(again.run.error == nil && again.run.progress.map(\.step) == [7])
        #expect(try scratch.names == ["checkpoint-000006", "checkpoint-000007"])
    }

    /// Whatever happens to a file, the checkpoint before is taken.
    @Test(arguments: ["manifest.json", "state.json", "moments.safetensors", "weights.safetensors"])
    func damagedOnesAreLeftAside(file: String) throws {
        let scratch = try TemporaryFolder()
        #expect(Part(steps: 6, saveEvery: 2).run(in: scratch.path)[0].run.error == nil)
        let path = scratch.file("checkpoint-000004/\(file)")
        let good = try Data(contentsOf: URL(fileURLWithPath: path))
        var flipped = good
        flipped[good.count / 2] ^= 1
        for (damage, bytes) in [("flipped", flipped), ("cut", good.dropLast(2)), ("empty", Data()), ("gone", nil)] {
            if let bytes { try bytes.write(to: URL(fileURLWithPath: path)) } else { unlink(path) }
            var warnings: [String] = []
            let found = TrainingCheckpoint.newest(in: scratch.path) { warnings.append($0) }
            #expect(found?.record.step == 2, "\(damage)")
            #expect(
                warnings.count == 1 && warnings[0].hasPrefix(scratch.file("checkpoint-000004: left aside")), "\(damage)"
            )
        }
        try good.write(to: URL(fileURLWithPath: path))
        #expect(TrainingCheckpoint.newest(in: scratch.path) { _ in }?.record.step == 4)
        // A copy under another name would lead to another place.
        try FileManager.default.moveItem(
            atPath: scratch.file("checkpoint-000004"), toPath: scratch.file("checkpoint-000009"))
        #expect(TrainingCheckpoint.newest(in: scratch.path) { _ in }?.record.step == 2)
    }

    /// A folder that cannot be written to: the same error on all ranks, and nothing half-made.
    @Test func saysWhyItCannotSave() throws {
        let scratch = try TemporaryFolder()
        for result in Part(size: 2, saveEvery: 2).run(in: scratch.file("nowhere")) {
            #expect(result.run.progress.count == 2)
            let error = result.run.error ?? ""
            #expect(error.contains("nowhere/checkpoint-000002: the checkpoint cannot be saved"), "\(error)")
            #expect(error.contains("No such file or directory"), "\(error)")
        }
        #expect(try scratch.names == [])
    }

    @Test func refusesAnotherModelsCheckpoint() throws {
        let scratch = try TemporaryFolder()
        #expect(Part(method: .neft, saveEvery: 3).run(in: scratch.path)[0].run.error == nil)
        for result in Part(size: 2, method: .full, resumes: true).run(in: scratch.path) {
            #expect(result.run.error?.contains("cannot be used") == true, "\(result.run.error ?? "")")
            #expect(result.run.weights == weightBits(makeTinyDecoder()))
        }
    }

    @Test func theIdentityNamesWhatDiffers() throws {
        let saved = RunIdentity([.init("--seed", "1"), .init("--epochs", "2"), .init("--neurons", "a")])
        try RunIdentity([.init("--seed", "1"), .init("--epochs", "2")]).require(in: saved, path: "c")
        let error = #expect(throws: TrainingError.self) {
            try RunIdentity([.init("--seed", "2"), .init("--epochs", "2"), .init("--top", "6%")])
                .require(in: saved, path: "c")
        }
        #expect(
            error?.description.hasPrefix(
                "c: another run: --seed 2, --top 6%; expected --seed 1, --top not given, as the checkpoint") == true)
        #expect(error?.isFault == false)
    }

    @Test func theSummarySurvives() throws {
        var summary = Part().run(in: try TemporaryFolder().path)[0].run.summary
        summary.seconds = 0.1 + 0.2
        let record = CheckpointRecord(
            step: 6, totalSteps: 6, updates: 6, valueCount: 9, summary: summary, identity: RunIdentity([]),
            maker: .init(neftVersion: "1", arithmetic: "a", baseHash: "b", maskHash: "c"), layout: "d")
        #expect(try CheckpointRecord(bytes: try record.bytes()) == record)
        #expect(summary.finalLoss.isFinite && TrainingSummary().finalLoss.isNaN)
    }
}

@Suite struct StateTransferTests {
    /// Values that tell rank, buffer and place apart.
    private static func value(_ name: Int, _ rank: Int, _ index: Int) -> Float {
        Float(name * 10_000_000 + rank * 3_000_000 + index)
    }

    /// Buffers of which each rank has its own are saved whole, and as the owners have them.
    @Test(arguments: [1, 3]) func movesEveryKindOfBuffer(size: Int) {
        let count = StateTransfer.pieceValues + 5_000
        let holds = ThreadCommunicator.run(size: size) { communicator -> [String] in
            let rank = communicator.rank
            // Owners take turns, in parts of 700.
            let owned = stride(from: 0, to: count, by: 700).filter { $0 / 700 % size == rank }
                .map { $0..<min($0 + 700, count) }
            let transfer = StateTransfer(count: count, owned: owned, communicator: communicator)
            let (packed, whole) = (TensorStorage(count: owned.reduce(0) { $0 + $1.count }), TensorStorage(count: count))
            for (place, index) in owned.joined().enumerated() { packed.pointer[place] = Self.value(0, rank, index) }
            for index in 0..<count { whole.pointer[index] = Self.value(1, rank, index) }
            let buffers = [
                StateBuffer(name: "moment", holder: .owners, values: packed.buffer),
                StateBuffer(name: "residual", holder: .everyRank, values: whole.buffer),
            ]
            let tensors = StateTensor.all(of: buffers, ranks: size)
            var faults: [String] = []
            if tensors.map(\.name) != ["moment", "residual"] + (0..<size).map({ "residual.rank-\($0)" }) {
                faults.append("names \(tensors.map(\.name))")
            }
            var saved: [[Float]] = []
            for (number, tensor) in tensors.enumerated() {
                var values: [Float] = []
                transfer.gather(tensor) { values += $0 }
                saved.append(values)
                guard rank == 0 else { continue }
                let expected = (0..<count).map { index in
                    Self.value(min(number, 1), number > 1 ? number - 2 : index / 700 % size, index)
                }
                if values != expected { faults.append("gathered \(tensor.name)") }
            }
            let before = (Array(packed.buffer), Array(whole.buffer))
            packed.buffer.update(repeating: -1)
            whole.buffer.update(repeating: -1)
            for (number, tensor) in tensors.enumerated() {
                transfer.scatter(tensor) { range, into in
                    for index in range { into[index - range.lowerBound] = saved[number][index] }
                }
                let places = Set(owned.joined())
                if number == 1, (0..<count).contains(where: { (whole.pointer[$0] != -1) != places.contains($0) }) {
                    faults.append("owners' part of \(tensor.name)")
                }
            }
            if before != (Array(packed.buffer), Array(whole.buffer)) { faults.append("scattered") }
            return faults
        }
        #expect(holds.joined().isEmpty, "\(holds)")
        #expect(holds.count == size)
    }
}
