import Checkpoints

/// Mistral 7B and others of its `model_type`: Llama with an attention window, which some versions have. GGUF files of it
/// say `llama`, and so does what enters the base hash.
enum Mistral: Architecture {
    static let modelType = "mistral"
    static let modelClass = "MistralForCausalLM"
    static let gguf: GGUFForm? = nil
    static let canonicalName = Llama.modelType

    static func configuration(_ config: ConfigurationFile) throws(CheckpointError) -> DecoderConfiguration {
        // Transformers takes 4096 where nothing is said, and no window for null; and 8 key-value heads.
        let window = config.isNull("sliding_window") ? nil : try config.integer("sliding_window", default: 4096)
        return try DecoderConfiguration(config, kvHeads: 8, window: window)
    }
}
