import Checkpoints
import Collectives
import Models

extension Trainer {
    /// Updates the optimizer has made.
    var updates: Int { optimizer.updates }

    /// Everything besides the weights that the next step depends on. To be read only after `settle`.
    var stateBuffers: [StateBuffer] {
        var buffers = [
            StateBuffer(name: "firstMoment", holder: .owners, values: optimizer.firstMoment.buffer),
            StateBuffer(name: "secondMoment", holder: .owners, values: optimizer.secondMoment.buffer),
        ]
        // Of a wire that rounds.
        let residual = batch.exchange.residual
        if !residual.isEmpty { buffers.append(StateBuffer(name: "residual", holder: .everyRank, values: residual)) }
        return buffers
    }

    var stateTensors: [StateTensor] { StateTensor.all(of: stateBuffers, ranks: communicator.size) }

    /// Collective.
    func stateTransfer() -> StateTransfer {
        StateTransfer(count: trainable.count, owned: optimizer.owned, communicator: communicator)
    }

    /// Goes on from a checkpoint, which may have been saved by another number of ranks. Collective; before the first
    /// step.
    ///
    /// - Parameters:
    ///   - checkpoint: on rank 0.
    ///   - record: the checkpoint's, on every rank.
    /// - Returns: whether the run goes on to the same bits. It does unless a wire that rounds goes on with other ranks:
    ///   what it took away from gradients that were on their way is then lost.
    /// - Throws: the same on every rank, before anything is changed, if the checkpoint does not fit the model.
    @discardableResult
    public func restore(_ checkpoint: TrainingCheckpoint?, record: CheckpointRecord) throws(TrainingError) -> Bool {
        let transfer = stateTransfer()
        let isSameLayout = transfer.layout == record.layout
        var source: CheckpointSource?
        var message = ""
        if communicator.rank == 0, let checkpoint {
            do {
                let opened = try CheckpointSource(checkpoint, trainable: trainable, parameters: model.parameters)
                message = "ok\n" + (try opened.choose(stateTensors, isSameLayout: isSameLayout)).joined(separator: "\n")
                source = opened
            } catch {
                message = "\(error)"
            }
        }
        message = String(decoding: communicator.broadcast(Array(message.utf8)), as: UTF8.self)
        let lines = message.split(separator: "\n").map(String.init)
        guard lines.first == "ok", record.valueCount == trainable.count, record.totalSteps == totalSteps else {
            throw TrainingError(
                subject: checkpoint?.path ?? "checkpoint",
                found: lines.first == "ok"
                    ? "\(record.valueCount) values and \(record.totalSteps) steps" : "cannot be used: \(message)",
                expected: "\(trainable.count) values and \(totalSteps) steps",
                hint: "resume the run the checkpoint was made by")
        }
        transfer.broadcast(
            fill: { source?.fillWeights($0, $1) }, use: { access.scatter($1, to: $0) })
        let known = Dictionary(stateTensors.map { ($0.name, $0) }, uniquingKeysWith: { first, _ in first })
        for tensor in lines.dropFirst().compactMap({ known[$0] }) {
            transfer.scatter(tensor) { source?.fill(tensor.name, $0, $1) }
        }
        step = record.step
        summary = record.summary
        validation = record.validation ?? ValidationRecord()
        optimizer.updates = record.updates
        return isSameLayout || !stateBuffers.contains { $0.holder == .everyRank }
    }
}

/// The tensors of a checkpoint, on rank 0.
private struct CheckpointSource {
    private let moments: SafetensorsFile
    private let weights: SavedRows
    private let tensors: [String: FloatTensor]

    init(_ checkpoint: TrainingCheckpoint, trainable: TrainableRows, parameters: [Parameter]) throws(CheckpointError) {
        let hasMask = checkpoint.record.maker.maskHash != nil
        weights = try SavedRows(
            path: "\(checkpoint.path)/\(TrainingCheckpoint.weightsName(hasMask: hasMask))", trainable: trainable,
            parameters: parameters)
        moments = try SafetensorsFile(path: "\(checkpoint.path)/\(TrainingCheckpoint.momentsName)")
        var tensors: [String: FloatTensor] = [:]
        for name in moments.entries.keys.sorted() { tensors[name] = try moments.floats(name, shape: [trainable.count]) }
        self.tensors = tensors
    }

    /// Names of the tensors to take, of those a run could use.
    func choose(_ all: [StateTensor], isSameLayout: Bool) throws(CheckpointError) -> [String] {
        var names: [String] = []
        for tensor in all {
            switch (tensor.buffer.holder, tensor.part) {
            case (.owners, _):
                guard tensors[tensor.name] != nil else {
                    throw CheckpointError(
                        file: moments.path, item: tensor.name, found: "no such tensor",
                        expected: "the optimizer's state",
                        hint: "the checkpoint was not written by this version of neft")
                }
                names.append(tensor.name)
            case (.everyRank, .owners): if !isSameLayout, tensors[tensor.name] != nil { names.append(tensor.name) }
            case (.everyRank, .rank): if isSameLayout, tensors[tensor.name] != nil { names.append(tensor.name) }
            }
        }
        return names
    }

    func fill(_ name: String, _ range: Range<Int>, _ into: UnsafeMutablePointer<Float>) {
        guard let tensor = tensors[name] else { return }
        into.update(from: tensor.pointer + range.lowerBound, count: range.count)
    }

    func fillWeights(_ range: Range<Int>, _ into: UnsafeMutablePointer<Float>) { weights.fill(range, into) }
}
