import Checkpoints

extension DecoderConfiguration {
    /// The sizes that all families name alike in `config.json`.
    /// `headDim`: where the file does not say; nil for the hidden size shared out over the heads.
    /// `kvHeads`: key-value heads where the file does not say; nil for as many as there are heads.
    /// `window`: how far back a token attends, if that is limited.
    /// - Throws: for variants that the engine does not compute, and for sizes that no model has.
    init(
        _ config: ConfigurationFile, headDim: Int? = nil, kvHeads: Int? = nil, window: Int? = nil,
        biasedProjections: [Projection] = [], hasHeadNorms: Bool = false
    ) throws(CheckpointError) {
        for key in ["attention_bias", "mlp_bias"] where try config.flag(key, default: false) {
            throw unsupported(config.path, key, "true", "false")
        }
        let activation = try config.text("hidden_act", default: "silu")
        guard activation == "silu" || activation == "swish" else {
            throw unsupported(config.path, "hidden_act", activation, "silu")
        }
        // Newer files keep these under rope_parameters.
        let rope = try config.object("rope_parameters") ?? config
        let rotated = try config.number(
            "partial_rotary_factor", default: rope.number("partial_rotary_factor", default: 1))
        guard rotated == 1 else { throw unsupported(config.path, "partial_rotary_factor", "\(rotated)", "1") }
        let theta = try config.number("rope_theta", default: rope.number("rope_theta", default: 10_000))
        let hidden = try config.integer("hidden_size")
        let heads = try config.integer("num_attention_heads")
        let context = try config.integer("max_position_embeddings")
        self.init(
            hiddenSize: hidden, intermediateSize: try config.integer("intermediate_size"),
            layerCount: try config.integer("num_hidden_layers"), headCount: heads,
            kvHeadCount: try Self.kvHeads(config, heads: heads, assumed: kvHeads),
            headDim: try config.integer("head_dim", default: headDim ?? (heads > 0 ? hidden / heads : 0)),
            vocabularySize: try config.integer("vocab_size"), contextLength: min(context, window ?? context),
            ropeTheta: theta, rmsNormEps: Float(try config.number("rms_norm_eps", default: 1e-6)),
            tiedHead: try config.flag("tie_word_embeddings", default: false), biasedProjections: biasedProjections,
            hasHeadNorms: hasHeadNorms)
        try check(file: config.path)
        ropeDivisors = try RoPEScaling.divisors(config, headDim: self.headDim, theta: theta)
    }

    /// Key-value heads as transformers counts them: where the file says null, as many as there are heads.
    private static func kvHeads(
        _ config: ConfigurationFile, heads: Int, assumed: Int?
    ) throws(CheckpointError) -> Int {
        let key = "num_key_value_heads"
        guard let assumed, !config.has(key), !config.isNull(key) else {
            return try config.integer(key, default: heads)
        }
        guard heads % assumed == 0 else {
            throw CheckpointError(
                file: config.path, item: config.prefix + key, found: "missing, which stands for \(assumed)",
                expected: "a divisor of the \(heads) attention heads", hint: "add the key to the file")
        }
        return assumed
    }

    /// The same from GGUF metadata.
    init(
        _ metadata: GGUFMetadata, biasedProjections: [Projection] = [], hasHeadNorms: Bool = false
    ) throws(CheckpointError) {
        let file = metadata.file
        let hidden = try metadata.integer("embedding_length")
        let heads = try metadata.integer("attention.head_count")
        let headDim = try metadata.integer("attention.key_length", default: heads > 0 ? hidden / heads : 0)
        for key in ["attention.value_length", "rope.dimension_count"] {
            let value = try metadata.integer(key, default: headDim)
            guard value == headDim else {
                throw unsupported(
                    file.path, "\(metadata.architecture).\(key)", "\(value)", "\(headDim), as of the keys")
            }
        }
        let context = try metadata.integer("context_length")
        let window = try metadata.integer("attention.sliding_window", default: 0)
        self.init(
            hiddenSize: hidden, intermediateSize: try metadata.integer("feed_forward_length"),
            layerCount: try metadata.integer("block_count"), headCount: heads,
            kvHeadCount: try metadata.integer("attention.head_count_kv", default: heads), headDim: headDim,
            vocabularySize: file.entries["token_embd.weight"]?.shape.first ?? 0,
            contextLength: window > 0 ? min(context, window) : context,
            ropeTheta: try metadata.number("rope.freq_base", default: 10_000),
            rmsNormEps: Float(try metadata.number("attention.layer_norm_rms_epsilon")),
            tiedHead: file.entries["output.weight"] == nil, biasedProjections: biasedProjections,
            hasHeadNorms: hasHeadNorms)
        try check(file: file.path)
        ropeDivisors = try RoPEScaling.divisors(metadata, headDim: headDim)
    }

    /// Refuses sizes that no model has, so that a damaged file cannot crash or exhaust memory later.
    private func check(file: String) throws(CheckpointError) {
        let sizes = [
            ("hidden size", hiddenSize, 1 << 20), ("feed-forward size", intermediateSize, 1 << 22),
            ("layers", layerCount, 4096), ("attention heads", headCount, 1 << 14),
            ("key-value heads", kvHeadCount, 1 << 14), ("head dimension", headDim, 1 << 14),
            ("vocabulary", vocabularySize, 1 << 24), ("context length", contextLength, 1 << 28),
        ]
        for (name, value, most) in sizes where value < 1 || value > most {
            throw CheckpointError(
                file: file, item: name, found: "\(value)", expected: "1 to \(most)", hint: "the file is damaged")
        }
        guard headCount % kvHeadCount == 0, headDim % 2 == 0 else {
            throw CheckpointError(
                file: file, item: "attention heads",
                found: "\(headCount) heads, \(kvHeadCount) key-value heads of dimension \(headDim)",
                expected: "a multiple of the key-value heads, and an even dimension", hint: "the file is damaged")
        }
        guard ropeTheta.isFinite, ropeTheta > 0, rmsNormEps >= 0, rmsNormEps < 1 else {
            throw CheckpointError(
                file: file, item: "rotary base and norm's epsilon", found: "\(ropeTheta) and \(rmsNormEps)",
                expected: "more than 0, and 0 to 1", hint: "the file is damaged")
        }
    }
}

private func unsupported(_ file: String, _ item: String, _ found: String, _ expected: String) -> CheckpointError {
    CheckpointError(
        file: file, item: item, found: found, expected: expected,
        hint: "neft does not compute this variant of the architecture yet")
}
