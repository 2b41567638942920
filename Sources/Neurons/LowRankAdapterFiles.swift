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
    private static let prefix = "base_model.model."
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
        let config: [String: Any] = [
            "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": baseModel,
            "r": configuration.rank, "lora_alpha": configuration.alpha, "lora_dropout": configuration.dropout,
            "target_modules": projectionNames, "bias": "none", "fan_in_fan_out": false, "inference_mode": true,
            "init_lora_weights": true, "use_rslora": false, "use_dora": false, "modules_to_save": NSNull(),
            "rank_pattern": [String: Int](), "alpha_pattern": [String: Int](), "layers_to_transform": NSNull(),
            "layers_pattern": NSNull(), "revision": NSNull(),
        ]
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

    /// Puts the factors of a folder, by `save` or by PEFT, on the model they belong to.
    /// - Throws: before anything is changed, for what this engine does not compute and for another model's factors.
    public static func attach(_ folder: String, to model: Decoder, baseHash: () -> String) throws {
        let config = try ConfigurationFile(path: "\(folder)/\(configName)")
        let configuration = try read(config)
        let file = try SafetensorsFile(path: "\(folder)/\(weightsName)")
        if let hash = file.metadata["baseHash"], hash != baseHash() {
            throw NeuronError(
                subject: file.path, found: "an adapter of another model (base hash \(hash.prefix(12)))",
                expected: "one of this model (\(baseHash().prefix(12)))", hint: "pass the model it was trained from")
        }
        var factors: [String: LowRankFactors] = [:]
        var known: Set<String> = []
        for (_, module, _, projection, _) in model.projections {
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
        if let other = file.entries.keys.filter({ !known.contains($0) }).min() {
            throw NeuronError(
                subject: file.path, found: "tensor \(other)", expected: "lora_A and lora_B of the model's projections",
                hint: "the adapter belongs to another model, or trains what neft does not")
        }
        guard !factors.isEmpty else {
            throw NeuronError(
                subject: file.path, found: "no factors", expected: "lora_A and lora_B of at least one projection",
                hint: "the file is damaged: copy it again")
        }
        model.attach(configuration) { layer, projection in
            factors[Decoder.lowRankName(layer: layer, projection)]
        }
    }

    private static func read(_ config: ConfigurationFile) throws -> LowRankConfiguration {
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
        guard bias == "none" else { throw refusal("bias", "\"\(bias)\"", "\"none\"") }
        for key in ["rank_pattern", "alpha_pattern"] where !(config.object(key) ?? [:]).isEmpty {
            throw refusal(key, "values of its own for some modules", "none")
        }
        for key in ["modules_to_save", "trainable_token_indices"] where config.has(key) {
            throw refusal(key, "set", "null")
        }
        let rank = try config.integer("r")
        let alpha = try config.number("lora_alpha")
        guard rank >= 1, rank <= 1 << 16 else { throw refusal("r", "\(rank)", "1 or more") }
        guard alpha.isFinite else { throw refusal("lora_alpha", "\(alpha)", "a finite number") }
        return LowRankConfiguration(rank: rank, alpha: alpha, dropout: try config.number("lora_dropout", default: 0))
    }
}
