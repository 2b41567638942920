import Checkpoints
import Foundation
import Models

/// LoRA in the two files of PEFT, `adapter_config.json` and `adapter_model.safetensors`. Two runs that agree write the
/// same bytes.
public enum LowRankAdapterFiles {
    /// PEFT's name of the file with rank, alpha and modules.
    public static let configName = "adapter_config.json"
    /// PEFT's name of the file with the factors.
    public static let weightsName = "adapter_model.safetensors"
    /// Of a module's new rows, behind its name.
    public static let rowsName = "token_adapter.trainable_tokens_delta"
    /// Of a module's bias with `"bias": "all"`, behind its name.
    public static let biasName = "base_layer.bias"
    static let prefix = "base_model.model."
    private static let projectionNames = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]

    /// Writes a model's factors into an existing folder, for PEFT and for `attach`.
    /// - Parameters:
    ///   - model: with the factors attached.
    ///   - configuration: their shape.
    ///   - baseModel: where the model they belong to was read from, which PEFT notes.
    ///   - baseHash: of that model, which `attach` checks.
    ///   - folder: must exist.
    public static func save(
        _ model: Decoder, configuration: LowRankConfiguration, baseModel: String, baseHash: String, to folder: String
    ) throws {
        var config = Self.configuration(baseModel: baseModel)
        config["r"] = configuration.rank
        config["lora_alpha"] = configuration.alpha
        config["lora_dropout"] = configuration.dropout
        config["target_modules"] = projectionNames
        let text = try JSONSerialization.data(
            withJSONObject: config, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        try AtomicFile.write(String(decoding: text, as: UTF8.self) + "\n", to: "\(folder)/\(configName)")
        // Without "format" transformers refuses the file.
        var writer = SafetensorsWriter(metadata: ["format": "pt", "baseHash": baseHash])
        for tensor in model.parameters.filter(\.isLowRank).map(\.tensor) {
            writer.add(prefix + tensor.name, shape: tensor.shape) { tensor }
        }
        try writer.write(to: "\(folder)/\(weightsName)")
    }

    /// What PEFT's configuration says of adapters that neft writes: LoRA of rank 1 on no module.
    /// - Parameter baseModel: where the model they belong to was read from.
    public static func configuration(baseModel: String) -> [String: Any] {
        [
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": baseModel,
            "r": 1, "lora_alpha": 1, "lora_dropout": 0.0, "target_modules": [String](), "bias": "none",
            "fan_in_fan_out": false, "inference_mode": true, "init_lora_weights": true, "use_rslora": false,
            "use_dora": false, "modules_to_save": NSNull(), "rank_pattern": [String: Int](),
            "alpha_pattern": [String: Int](), "layers_to_transform": NSNull(), "layers_pattern": NSNull(),
            "revision": NSNull(),
        ]
    }

    /// Puts the factors of a folder, by `save` or by PEFT, on the model they belong to.
    /// - Throws: before anything is changed, for what this engine does not compute and for another model's factors.
    public static func attach(_ folder: String, to model: Decoder, baseHash: () -> String) throws {
        let config = try ConfigurationFile(path: "\(folder)/\(configName)")
        let configuration = try read(config)
        if let key = try keyForMerging(config) {
            throw NeuronError(
                subject: "\(config.path): \(key)", found: "set for some modules", expected: "LoRA alike on all modules",
                hint: "merge the adapter into its model")
        }
        let file = try weights(folder, baseHash: baseHash)
        var factors: [String: LowRankFactors] = [:]
        var known: Set<String> = []
        for (_, _, module, _, projection, _) in model.projections {
            let names = ["A", "B"].map { "\(prefix)\(module).lora_\($0).weight" }
            guard names.contains(where: { file.entries[$0] != nil }) else { continue }
            let shape = model.configuration.shape(of: projection)
            let shapes = [[configuration.rank, shape[1]], [shape[0], configuration.rank]]
            let pair = try zip(names, shapes).map { name, shape in
                let tensor = try file.floats(name, shape: shape)
                return FloatTensor(
                    name: String(name.dropFirst(prefix.count)), shape: shape, pointer: tensor.pointer, owner: tensor)
            }
            factors[module] = LowRankFactors(a: pair[0], b: pair[1])
            known.formUnion(names)
        }
        try requireOnly(known, in: file)
        model.attach(configuration) { layer, projection in
            factors[Decoder.moduleName(layer: layer, projection)]
        }
    }

    /// The tensors of a folder, which belong to the model of this hash.
    static func weights(_ folder: String, baseHash: () -> String) throws -> SafetensorsFile {
        let file = try SafetensorsFile(path: "\(folder)/\(weightsName)")
        if let hash = file.metadata["baseHash"], hash != baseHash() {
            throw NeuronError(
                subject: file.path, found: "an adapter of another model (base hash \(hash.prefix(12)))",
                expected: "one of this model (\(baseHash().prefix(12)))", hint: "pass the model it was trained from")
        }
        return file
    }

    /// Refuses a file with tensors besides those that are known, or without one of them.
    static func requireOnly(_ known: Set<String>, in file: SafetensorsFile) throws(NeuronError) {
        if let other = file.entries.keys.filter({ !known.contains($0) }).min() {
            throw NeuronError(
                subject: file.path, found: "tensor \(other)", expected: "lora_A and lora_B of the model's projections",
                hint: "the adapter belongs to another model, or trains what neft does not")
        }
        guard !known.isEmpty else {
            throw NeuronError(
                subject: file.path, found: "no factors", expected: "lora_A and lora_B of at least one projection",
                hint: "the file is damaged: copy it again")
        }
    }

    static func read(_ config: ConfigurationFile) throws -> LowRankConfiguration {
        func refusal(_ key: String, _ found: String, _ expected: String) -> NeuronError {
            NeuronError(
                subject: "\(config.path): \(key)", found: found, expected: expected,
                hint: "merge the adapter into its model with PEFT, and use that")
        }
        let kind = try config.text("peft_type")
        guard kind == "LORA" else { throw refusal("peft_type", "\"\(kind)\"", "\"LORA\"") }
        for key in ["use_rslora", "use_dora", "use_qalora", "lora_bias", "fan_in_fan_out"]
        where try config.flag(key, default: false) {
            throw refusal(key, "true", "false")
        }
        let bias = try config.text("bias", default: "none")
        guard ["none", "all"].contains(bias) else { throw refusal("bias", "\"\(bias)\"", "\"none\" or \"all\"") }
        if config.has("modules_to_save") { throw refusal("modules_to_save", "set", "null") }
        let rank = try config.integer("r")
        let alpha = try config.number("lora_alpha")
        guard rank >= 1, rank <= 1 << 16 else { throw refusal("r", "\(rank)", "1 or more") }
        guard Float(alpha).isFinite else { throw refusal("lora_alpha", "\(alpha)", "a finite number") }
        let dropout = try config.number("lora_dropout", default: 0)
        guard (0..<1).contains(dropout) else { throw refusal("lora_dropout", "\(dropout)", "0 to less than 1") }
        return LowRankConfiguration(rank: rank, alpha: alpha, dropout: dropout)
    }
}
