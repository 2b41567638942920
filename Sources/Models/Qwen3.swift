import Checkpoints

/// Qwen3 without experts: Llama with a norm of every head's query and key.
enum Qwen3: Architecture {
    static let modelType = "qwen3"
    static let modelClass = "Qwen3ForCausalLM"
    static let gguf: GGUFForm? = GGUFForm(name: "qwen3", permutesQueryAndKey: false)

    static func configuration(_ config: ConfigurationFile) throws(CheckpointError) -> DecoderConfiguration {
        try DecoderConfiguration(
            config, headDim: 128, kvHeads: Qwen2.assumedKVHeads, window: try Qwen2.slidingWindow(config),
            hasHeadNorms: true)
    }

    static func configuration(_ metadata: GGUFMetadata) throws(CheckpointError) -> DecoderConfiguration {
        try DecoderConfiguration(metadata, hasHeadNorms: true)
    }
}
