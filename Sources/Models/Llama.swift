import Checkpoints

/// The Llama family: Llama 2 and 3, SmolLM2, TinyLlama and others of the same `model_type`.
enum Llama: Architecture {
    static let modelType = "llama"
    static let modelClass = "LlamaForCausalLM"
    static let gguf: GGUFForm? = GGUFForm(name: "llama", permutesQueryAndKey: true, hasRoPEFrequencies: true)

    static func configuration(_ config: ConfigurationFile) throws(CheckpointError) -> DecoderConfiguration {
        try DecoderConfiguration(config)
    }
}
