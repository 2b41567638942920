import Checkpoints
import Kernels

/// Where one family of models keeps its sizes and weights. Adding a family is one file with a conforming type, and its
/// line in `Architectures.all`.
protocol Architecture: Sendable {
    /// `model_type` of `config.json`.
    static var modelType: String { get }
    /// The class that transformers has for it.
    static var modelClass: String { get }
    /// How GGUF files hold it; nil where they say another family.
    static var gguf: GGUFForm? { get }
    /// Name that enters the base hash: the same for families that compute alike.
    static var canonicalName: String { get }

    /// Sizes from `config.json`; refuses what the engine does not compute.
    static func configuration(_ config: ConfigurationFile) throws(CheckpointError) -> DecoderConfiguration
    /// Sizes from GGUF metadata; refuses what the engine does not compute.
    static func configuration(_ metadata: GGUFMetadata) throws(CheckpointError) -> DecoderConfiguration
}

struct GGUFForm {
    /// `general.architecture`, and the prefix of the other keys.
    let name: String
    /// Whether converters permute the rows of q and k inside each head.
    let permutesQueryAndKey: Bool
    /// Whether llama.cpp reads divisors of the rotary frequencies, `rope_freqs.weight`.
    var hasRoPEFrequencies = false
}

extension Architecture {
    static var canonicalName: String { modelType }

    static func configuration(_ metadata: GGUFMetadata) throws(CheckpointError) -> DecoderConfiguration {
        try DecoderConfiguration(metadata)
    }
}

enum Architectures {
    static var all: [any Architecture.Type] { [Llama.self, Mistral.self, Qwen2.self, Qwen3.self] }

    static func named(modelType: String) -> (any Architecture.Type)? { all.first { $0.modelType == modelType } }
    static func named(gguf: String) -> (any Architecture.Type)? { all.first { $0.gguf?.name == gguf } }
}

/// GGUF metadata of one architecture, with typed access that says what is missing.
struct GGUFMetadata {
    let file: GGUFFile
    /// Keys are looked up under this prefix.
    let architecture: String

    func has(_ key: String) -> Bool { file.metadata["\(architecture).\(key)"] != nil }

    func integer(_ key: String, default fallback: Int? = nil) throws(CheckpointError) -> Int {
        try value(key, fallback, "a whole number") { $0.integer }
    }

    func number(_ key: String, default fallback: Double? = nil) throws(CheckpointError) -> Double {
        try value(key, fallback, "a number") { $0.number }
    }

    private func value<T>(_ key: String, _ fallback: T?, _ expected: String, _ convert: (GGUFValue) -> T?)
        throws(CheckpointError) -> T
    {
        let full = "\(architecture).\(key)"
        guard let value = file.metadata[full] else {
            if let fallback { return fallback }
            throw CheckpointError(
                file: file.path, item: full, found: "missing", expected: expected, hint: "the file is incomplete")
        }
        guard let converted = convert(value) else {
            throw CheckpointError(
                file: file.path, item: full, found: "\(value)", expected: expected, hint: "the file is damaged")
        }
        return converted
    }
}
