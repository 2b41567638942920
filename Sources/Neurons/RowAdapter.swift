import Checkpoints
import Models

/// `final/adapter.safetensors`: the new values of the trained rows. Two runs that agree write the same bytes.
public enum RowAdapter {
    static let formatVersion = "1"

    /// Writes per module `<module>.rows` I32 `[k]`, ascending, and `<module>.weight` F32 `[k, in]`, from the model.
    public static func save(
        _ trainable: TrainableRows, of model: any LanguageModel, baseHash: String, maskHash: String, to path: String
    ) throws(CheckpointError) {
        var writer = SafetensorsWriter(metadata: [
            "formatVersion": formatVersion, "kind": "adapter", "baseHash": baseHash, "maskHash": maskHash,
        ])
        for entry in trainable.entries {
            let parameter = model.parameters[entry.parameter]
            let rows = entry.rows ?? (0..<Int32(entry.rowCount)).map { $0 }
            writer.add("\(parameter.module).rows", integers: rows)
            let parts = rows.map {
                UnsafeBufferPointer(start: parameter.tensor.pointer + Int($0) * entry.columns, count: entry.columns)
            }
            writer.add("\(parameter.module).weight", shape: [rows.count, entry.columns], parts: parts)
        }
        try writer.write(to: path)
    }

    /// Puts an adapter's rows into the model they were trained from.
    ///
    /// - Parameters:
    ///   - path: the file, or the folder that holds `adapter.safetensors`.
    ///   - model: changed in place.
    ///   - baseHash: of `model`, before any change.
    /// - Returns: the number of neurons replaced.
    /// - Throws: before anything is changed, when the adapter belongs to another model or is damaged.
    @discardableResult
    public static func apply(_ path: String, to model: any LanguageModel, baseHash: String) throws -> Int {
        let file = try SafetensorsFile(path: path.hasSuffix(".safetensors") ? path : path + "/adapter.safetensors")
        try checkKind(file, "adapter", formatVersion)
        guard file.metadata["baseHash"] == baseHash else {
            throw NeuronError(
                subject: file.path,
                found: "an adapter of another model (base hash \((file.metadata["baseHash"] ?? "none").prefix(12)))",
                expected: "one of this model (\(baseHash.prefix(12)))", hint: "pass the model it was trained from")
        }
        let known = Dictionary(uniqueKeysWithValues: model.projections.map { ($0.module, $0.parameter) })
        var changes: [(parameter: Int, rows: [Int32], values: FloatTensor)] = []
        for name in file.entries.keys.sorted() where name.hasSuffix(".rows") {
            let module = String(name.dropLast(".rows".count))
            let rows = try file.integers(name)
            guard let index = known[module], let last = rows.last, rows[0] >= 0,
                zip(rows, rows.dropFirst()).allSatisfy(<), Int(last) < model.parameters[index].rows
            else {
                throw NeuronError(
                    subject: file.path, found: "tensor \(name)",
                    expected: "ascending rows of a projection of the model",
                    hint: "the file is damaged: copy it again")
            }
            let values = try file.floats("\(module).weight", shape: [rows.count, model.parameters[index].columns])
            changes.append((index, rows, values))
        }
        guard !changes.isEmpty, file.entries.count == 2 * changes.count else {
            throw NeuronError(
                subject: file.path, found: "\(file.entries.count) tensors, \(changes.count) of them row numbers",
                expected: "rows and weights of at least one module", hint: "the file is damaged: copy it again")
        }
        for (index, rows, values) in changes {
            let tensor = model.parameters[index].tensor
            tensor.materialise(rows)
            for (i, row) in rows.enumerated() {
                let first = Int(row) * tensor.columns
                (tensor.pointer + first).update(from: values.pointer + i * tensor.columns, count: tensor.columns)
                tensor.publish(first..<first + tensor.columns)
            }
        }
        return changes.reduce(0) { $0 + $1.rows.count }
    }
}
