import Checkpoints

/// The Llama family: Llama 2 and 3, SmolLM2, TinyLlama and others of the same `model_type`.
enum Llama: Architecture {
    static let modelType = "llama"
    static let ggufName = "llama"
    static let ggufPermutesQueryAndKey = true

    static func configuration(_ config: ConfigurationFile) throws(CheckpointError) -> DecoderConfiguration {
        func refuse(_ key: String, _ found: String, _ expected: String) -> CheckpointError {
            CheckpointError(
                file: config.path, item: key, found: found, expected: expected,
                hint: "neft does not compute this variant of the architecture yet")
        }
        for key in ["attention_bias", "mlp_bias"] where try config.flag(key, default: false) {
            throw refuse(key, "true", "false")
        }
        let activation = try config.text("hidden_act", default: "silu")
        guard activation == "silu" || activation == "swish" else { throw refuse("hidden_act", activation, "silu") }
        // Newer files keep the base under rope_parameters, older ones beside rope_scaling.
        let rope = try config.object("rope_parameters")
        if let scaling = try config.object("rope_scaling") ?? rope {
            let kind = try scaling.text("rope_type", default: try scaling.text("type", default: "default"))
            guard kind == "default" else { throw refuse("rope_scaling", kind, "none (\"default\")") }
        }
        let theta = try (config.has("rope_theta") ? config : rope ?? config).number("rope_theta", default: 10_000)
        let hidden = try config.integer("hidden_size")
        let heads = try config.integer("num_attention_heads")
        return try checked(
            DecoderConfiguration(
                hiddenSize: hidden, intermediateSize: try config.integer("intermediate_size"),
                layerCount: try config.integer("num_hidden_layers"), headCount: heads,
                kvHeadCount: try config.integer("num_key_value_heads", default: heads),
                headDim: try config.integer("head_dim", default: heads > 0 ? hidden / heads : 0),
                vocabularySize: try config.integer("vocab_size"),
                contextLength: try config.integer("max_position_embeddings"), ropeTheta: theta,
                rmsNormEps: Float(try config.number("rms_norm_eps", default: 1e-6)),
                tiedHead: try config.flag("tie_word_embeddings", default: false)), file: config.path)
    }

    static func configuration(_ metadata: GGUFMetadata) throws(CheckpointError) -> DecoderConfiguration {
        func refuse(_ item: String, _ found: String, _ expected: String) -> CheckpointError {
            CheckpointError(
                file: metadata.file.path, item: item, found: found, expected: expected,
                hint: "neft does not compute this variant of the architecture yet")
        }
        if let scaling = metadata.file.metadata["llama.rope.scaling.type"]?.text, scaling != "none" {
            throw refuse("llama.rope.scaling.type", scaling, "none")
        }
        if metadata.file.entries["rope_freqs.weight"] != nil {
            throw refuse("rope_freqs.weight", "scaled rotary frequencies", "none")
        }
        let hidden = try metadata.integer("embedding_length")
        let heads = try metadata.integer("attention.head_count")
        let vocabulary = metadata.file.entries["token_embd.weight"]?.shape.first ?? 0
        let configuration = DecoderConfiguration(
            hiddenSize: hidden, intermediateSize: try metadata.integer("feed_forward_length"),
            layerCount: try metadata.integer("block_count"), headCount: heads,
            kvHeadCount: try metadata.integer("attention.head_count_kv", default: heads),
            headDim: try metadata.integer("attention.key_length", default: heads > 0 ? hidden / heads : 0),
            vocabularySize: vocabulary, contextLength: try metadata.integer("context_length"),
            ropeTheta: try metadata.number("rope.freq_base", default: 10_000),
            rmsNormEps: Float(try metadata.number("attention.layer_norm_rms_epsilon")),
            tiedHead: metadata.file.entries["output.weight"] == nil)
        return try checked(configuration, file: metadata.file.path)
    }

    /// Refuses sizes that no model has, so that a damaged file cannot crash or exhaust memory later.
    private static func checked(_ c: DecoderConfiguration, file: String) throws(CheckpointError) -> DecoderConfiguration
    {
        let sizes = [
            ("hidden size", c.hiddenSize, 1 << 20), ("feed-forward size", c.intermediateSize, 1 << 22),
            ("layers", c.layerCount, 4096), ("attention heads", c.headCount, 1 << 14),
            ("key-value heads", c.kvHeadCount, 1 << 14), ("head dimension", c.headDim, 1 << 14),
            ("vocabulary", c.vocabularySize, 1 << 24), ("context length", c.contextLength, 1 << 28),
        ]
        for (name, value, most) in sizes where value < 1 || value > most {
            throw CheckpointError(
                file: file, item: name, found: "\(value)", expected: "1 to \(most)", hint: "the file is damaged")
        }
        guard c.headCount % c.kvHeadCount == 0, c.headDim % 2 == 0 else {
            throw CheckpointError(
                file: file, item: "attention heads",
                found: "\(c.headCount) heads, \(c.kvHeadCount) key-value heads of dimension \(c.headDim)",
                expected: "a multiple of the key-value heads, and an even dimension", hint: "the file is damaged")
        }
        guard c.ropeTheta.isFinite, c.ropeTheta > 0, c.rmsNormEps >= 0, c.rmsNormEps < 1 else {
            throw CheckpointError(
                file: file, item: "rotary base and norm's epsilon", found: "\(c.ropeTheta) and \(c.rmsNormEps)",
                expected: "more than 0, and 0 to 1", hint: "the file is damaged")
        }
        return c
    }
}
