import Checkpoints
import Models
import Neurons

/// Trained rows in the two files of PEFT.
public struct PEFTWriter {
    /// How rows are written.
    public enum Form: String, CaseIterable, Sendable {
        /// The new rows themselves, which PEFT puts in the place of the old ones; from PEFT 0.18 on.
        case rows
        /// LoRA whose `A` holds the differences, and biases as they are now; every PEFT reads it.
        case lora
    }

    /// The form that holds these rows: PEFT puts no new biases in the place of old ones.
    public static func standardForm(of modules: [RowAdapter.Module]) -> Form {
        modules.contains { $0.bias != nil } ? .lora : .rows
    }

    private static let prefix = "base_model.model."
    private let modules: [RowAdapter.Module]
    private let model: Decoder
    private let files: ModelFiles

    /// - Parameters:
    ///   - modules: the trained rows.
    ///   - model: with these rows in place.
    ///   - files: of the base model.
    public init(_ modules: [RowAdapter.Module], of model: Decoder, files: ModelFiles) {
        self.modules = modules
        self.model = model
        self.files = files
    }

    /// Writes `adapter_config.json` and `adapter_model.safetensors` into an existing folder.
    /// `baseModel`: where the model was read from, which PEFT notes.
    /// `baseHash`: of that model, which neft checks when it reads the files.
    public func write(_ form: Form, baseModel: String, baseHash: String, to folder: String) throws {
        // Without "format" transformers refuses the file.
        var writer = SafetensorsWriter(metadata: ["format": "pt", "baseHash": baseHash])
        var config = LowRankAdapterFiles.configuration(baseModel: baseModel)
        switch form {
        case .rows: addRows(to: &writer, &config)
        case .lora: addFactors(to: &writer, &config, base: try WeightSource(files.reopened()))
        }
        try writer.write(to: "\(folder)/\(LowRankAdapterFiles.weightsName)")
        try AtomicFile.write(
            try ModelDirectoryWriter.json(config), to: "\(folder)/\(LowRankAdapterFiles.configName)")
    }

    private func addRows(to writer: inout SafetensorsWriter, _ config: inout [String: Any]) {
        precondition(Self.standardForm(of: modules) == .rows, "PEFTWriter: biases as rows")
        // PEFT wants a target of LoRA, too: one without trained rows gets a product that is zero.
        let taken = Set(modules.map(\.name))
        let free = model.projections.first { !taken.contains($0.module) }
        let target = free?.module ?? "lm_head"
        let shape =
            free.map { model.configuration.shape(of: $0.projection) }
            ?? [model.vocabularySize, model.configuration.hiddenSize]
        config["target_modules"] = [target]
        config["trainable_token_indices"] = Dictionary(
            uniqueKeysWithValues: modules.map { ($0.name, $0.rows.map { Int($0) }) })
        for module in modules {
            let name = "\(Self.prefix)\(module.name).\(LowRankAdapterFiles.rowsName)"
            writer.add(name, shape: module.weight.tensor.shape) { module.weight.tensor }
        }
        for (name, shape) in [("A", [1, shape[1]]), ("B", [shape[0], 1])] {
            writer.add("\(Self.prefix)\(target).lora_\(name).weight", shape: shape, as: .float32) { _, values in
                values.update(repeating: 0, count: shape[1])
            }
        }
    }

    private func addFactors(to writer: inout SafetensorsWriter, _ config: inout [String: Any], base: WeightSource) {
        let ranks = Dictionary(uniqueKeysWithValues: modules.map { ($0.name, $0.rows.count) })
        config["target_modules"] = modules.map(\.name)
        // Products are multiplied by alpha / rank.
        config["rank_pattern"] = ranks
        config["alpha_pattern"] = ranks
        for module in modules {
            let deltas = RowDeltas(module, of: model, base: base)
            let name = "\(Self.prefix)\(module.name).lora_"
            let rank = module.rows.count
            writer.add("\(name)A.weight", shape: [rank, deltas.shape[1]], as: .float32) {
                (row, values) throws(CheckpointError) in
                try deltas.readA(row, into: values)
            }
            writer.add("\(name)B.weight", shape: [deltas.shape[0], rank], as: .float32) { row, values in
                deltas.readB(row, into: values)
            }
            guard let bias = module.bias.map({ model.parameters[$0.parameter].tensor }) else { continue }
            config["bias"] = "all"
            writer.add("\(Self.prefix)\(module.name).\(LowRankAdapterFiles.biasName)", shape: bias.shape) { bias }
        }
    }
}
