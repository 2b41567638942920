import Checkpoints
import Models

/// `final/adapter.safetensors`: the new values of the trained rows. Two runs that agree write the same bytes.
public enum RowAdapter {
    static let formatVersion = "1"

    /// Writes per module `<module>.rows` I32 `[k]`, ascending, `<module>.weight` F32 `[k, in]` and, if it has biases,
    /// `<module>.bias` F32 `[k]`, from the model.
    public static func save(
        _ trainable: TrainableRows, of model: any LanguageModel, baseHash: String, maskHash: String, to path: String
    ) throws(CheckpointError) {
        var writer = SafetensorsWriter(metadata: [
            "formatVersion": formatVersion, "kind": "adapter", "baseHash": baseHash, "maskHash": maskHash,
        ])
        for entry in trainable.entries {
            let parameter = model.parameters[entry.parameter]
            let rows = entry.rows ?? (0..<Int32(entry.rowCount)).map { $0 }
            let parts = rows.map {
                UnsafeBufferPointer(start: parameter.tensor.pointer + Int($0) * entry.columns, count: entry.columns)
            }
            if parameter.isBias {
                writer.add("\(parameter.module).bias", shape: [rows.count], parts: parts)
                continue
            }
            writer.add("\(parameter.module).rows", integers: rows)
            writer.add("\(parameter.module).weight", shape: [rows.count, entry.columns], parts: parts)
        }
        try writer.write(to: path)
    }

    /// The trained rows of one module.
    public struct Module {
        /// New values of some rows of a parameter.
        public struct Values {
            /// Index into the model's `parameters`.
            public let parameter: Int
            /// `[rows.count, in]`; of a bias, `[rows.count]`.
            public let tensor: FloatTensor

            /// As the members are named.
            public init(parameter: Int, tensor: FloatTensor) {
                self.parameter = parameter
                self.tensor = tensor
            }
        }

        /// Hugging Face name, without `.weight`.
        public let name: String
        /// Ascending, at least one.
        public let rows: [Int32]
        /// The rows of its weight.
        public let weight: Values
        /// nil where the module has none.
        public let bias: Values?

        /// As the members are named.
        public init(name: String, rows: [Int32], weight: Values, bias: Values? = nil) {
            self.name = name
            self.rows = rows
            self.weight = weight
            self.bias = bias
        }
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
        let modules = try read(path, for: model, baseHash: baseHash)
        apply(modules, to: model)
        return modules.reduce(0) { $0 + $1.rows.count }
    }

    /// Puts trained rows into a model.
    public static func apply(_ modules: [Module], to model: any LanguageModel) {
        for module in modules {
            for values in [module.weight, module.bias].compactMap({ $0 }) {
                let parameter = model.parameters[values.parameter]
                let (tensor, columns) = (parameter.tensor, parameter.columns)
                tensor.materialise(module.rows)
                for (i, row) in module.rows.enumerated() {
                    let first = Int(row) * columns
                    (tensor.pointer + first).update(from: values.tensor.pointer + i * columns, count: columns)
                    tensor.publish(first..<first + columns)
                }
            }
        }
    }

    /// What an adapter holds, in the order of the model's parameters.
    ///
    /// `path`: the file, or the folder that holds `adapter.safetensors`.
    /// - Throws: when the adapter belongs to another model or is damaged.
    public static func read(_ path: String, for model: any LanguageModel, baseHash: String) throws -> [Module] {
        let file = try SafetensorsFile(path: path.hasSuffix(".safetensors") ? path : path + "/adapter.safetensors")
        try checkKind(file, "adapter", formatVersion)
        guard file.metadata["baseHash"] == baseHash else {
            throw NeuronError(
                subject: file.path,
                found: "an adapter of another model (base hash \((file.metadata["baseHash"] ?? "none").prefix(12)))",
                expected: "one of this model (\(baseHash.prefix(12)))", hint: "pass the model it was trained from")
        }
        let known = Dictionary(uniqueKeysWithValues: model.projections.map { ($0.module, $0) })
        var modules: [Module] = []
        for name in file.entries.keys.sorted() where name.hasSuffix(".rows") {
            let module = String(name.dropLast(".rows".count))
            let rows = try file.integers(name)
            guard let entry = known[module], NeuronMask.areRows(rows), Int(rows.last ?? 0) < entry.rows else {
                throw NeuronError(
                    subject: file.path, found: "tensor \(name)",
                    expected: "ascending rows of a projection of the model",
                    hint: "the file is damaged: copy it again")
            }
            let shape = [rows.count, model.parameters[entry.parameter].columns]
            let weight = try file.floats("\(module).weight", shape: shape)
            let bias = try entry.bias.map { index in
                Module.Values(parameter: index, tensor: try file.floats("\(module).bias", shape: [rows.count]))
            }
            modules.append(
                Module(name: module, rows: rows, weight: .init(parameter: entry.parameter, tensor: weight), bias: bias))
        }
        let neurons = modules.reduce(0) { $0 + $1.rows.count }
        let tensors = modules.reduce(0) { $0 + ($1.bias == nil ? 2 : 3) }
        guard neurons > 0, file.entries.count == tensors else {
            throw NeuronError(
                subject: file.path, found: "\(file.entries.count) tensors, \(tensors) of them of \(neurons) rows",
                expected: "at least one row, and tensors of those rows, no others",
                hint: "the file is damaged: copy it again")
        }
        return modules.sorted { $0.weight.parameter < $1.weight.parameter }
    }
}
