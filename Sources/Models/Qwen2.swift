import Checkpoints

/// Qwen2 and Qwen2.5: Llama with biases of q, k and v.
enum Qwen2: Architecture {
    static let modelType = "qwen2"
    static let modelClass = "Qwen2ForCausalLM"
    static let gguf: GGUFForm? = GGUFForm(name: "qwen2", permutesQueryAndKey: false)
    private static let biased: [Projection] = [.query, .key, .value]
    /// What transformers takes where `config.json` says nothing.
    static let assumedKVHeads = 32

    static func configuration(_ config: ConfigurationFile) throws(CheckpointError) -> DecoderConfiguration {
        try DecoderConfiguration(
            config, kvHeads: assumedKVHeads, window: try slidingWindow(config), biasedProjections: biased)
    }

    static func configuration(_ metadata: GGUFMetadata) throws(CheckpointError) -> DecoderConfiguration {
        try DecoderConfiguration(metadata, biasedProjections: biased)
    }

    /// How far back a token of the upper layers attends; nil where there is no limit.
    static func slidingWindow(_ config: ConfigurationFile) throws(CheckpointError) -> Int? {
        guard try config.flag("use_sliding_window", default: false), !config.isNull("sliding_window") else {
            return nil
        }
        return try config.integer("sliding_window", default: 4096)
    }
}
