import Checkpoints
import Kernels
import Models

/// The values of all trained rows in a file that `RowAdapter` wrote, in packed order.
struct SavedRows {
    private let weights: [(offset: Int, tensor: FloatTensor)]

    /// - Throws: if the file holds other rows than those that are trained.
    init(path: String, trainable: TrainableRows, parameters: [Parameter]) throws(CheckpointError) {
        let file = try SafetensorsFile(path: path)
        var weights: [(offset: Int, tensor: FloatTensor)] = []
        for entry in trainable.entries {
            let module = parameters[entry.parameter].module
            guard try file.integers("\(module).rows") == entry.rows ?? Array(0..<Int32(entry.rowCount)) else {
                throw CheckpointError(
                    file: file.path, item: module, found: "other rows", expected: "those that are trained",
                    hint: "the checkpoint is another run's")
            }
            let isBias = parameters[entry.parameter].isBias
            let name = isBias ? "\(module).bias" : "\(module).weight"
            let shape = isBias ? [entry.rowCount] : [entry.rowCount, entry.columns]
            weights.append((entry.offset, try file.floats(name, shape: shape)))
        }
        self.weights = weights
    }

    func fill(_ range: Range<Int>, _ into: UnsafeMutablePointer<Float>) {
        for (offset, tensor) in weights {
            let common = (offset..<offset + tensor.count).clamped(to: range)
            guard !common.isEmpty else { continue }
            (into + common.lowerBound - range.lowerBound).update(
                from: tensor.pointer + common.lowerBound - offset, count: common.count)
        }
    }
}

extension Trainer {
    /// Puts trained rows back as they were when `RowAdapter` saved them. On this rank alone: for a run that is over.
    public func takeBackRows(from path: String) throws(CheckpointError) {
        let saved = try SavedRows(path: path, trainable: trainable, parameters: model.parameters)
        let piece = TensorStorage(count: min(trainable.count, StateTransfer.pieceValues))
        for start in stride(from: 0, to: trainable.count, by: StateTransfer.pieceValues) {
            let range = start..<min(start + StateTransfer.pieceValues, trainable.count)
            saved.fill(range, piece.pointer)
            access.scatter(piece.pointer, to: range)
        }
    }
}
