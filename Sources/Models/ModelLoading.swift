import Checkpoints
import Kernels

extension Decoder {
    /// Loads a GGUF file or a Hugging Face directory.
    ///
    /// fp32 safetensors are used in place; other element types are widened into memory of this process.
    /// - Parameters:
    ///   - files: what `ModelFiles.open` found.
    ///   - team: the threads the model will compute on.
    public static func load(_ files: ModelFiles, team: WorkerTeam) throws(CheckpointError) -> Decoder {
        switch files {
        case .huggingFace(let directory):
            let architecture = try self.architecture(of: directory)
            return try Decoder(
                architecture: architecture.modelType, configuration: try architecture.configuration(directory.config),
                team: team
            ) { (name: String, shape: [Int]) throws(CheckpointError) -> FloatTensor in
                try directory.tensor(name, shape: shape)
            }
        case .gguf(let file):
            let architecture = try self.architecture(of: file)
            let configuration = try configuration(of: file, architecture)
            return try Decoder(architecture: architecture.modelType, configuration: configuration, team: team) {
                (name: String, shape: [Int]) throws(CheckpointError) -> FloatTensor in
                let source = ggufTensor(name)
                let permuted = source.permuted && architecture.ggufPermutesQueryAndKey
                return try file.floats(
                    source.name, as: name, shape: shape,
                    rowOf: permuted ? { ggufRowToHuggingFace($0, headDim: configuration.headDim) } : nil)
            }
        }
    }

    /// The sizes alone; reads no weights.
    public static func configuration(of files: ModelFiles) throws(CheckpointError) -> DecoderConfiguration {
        switch files {
        case .huggingFace(let directory): try architecture(of: directory).configuration(directory.config)
        case .gguf(let file): try configuration(of: file, try architecture(of: file))
        }
    }

    private static func configuration(
        of file: GGUFFile, _ architecture: any Architecture.Type
    ) throws(CheckpointError) -> DecoderConfiguration {
        try architecture.configuration(GGUFMetadata(file: file, architecture: architecture.ggufName))
    }

    private static func architecture(
        of directory: HuggingFaceDirectory
    ) throws(CheckpointError) -> any Architecture.Type {
        let type = try directory.config.text("model_type")
        guard let architecture = Architectures.named(modelType: type) else {
            throw unknown(type, directory.config.path, "model_type", Architectures.all.map { $0.modelType })
        }
        return architecture
    }

    private static func architecture(of file: GGUFFile) throws(CheckpointError) -> any Architecture.Type {
        guard let name = file.metadata["general.architecture"]?.text else {
            throw CheckpointError(
                file: file.path, item: "general.architecture", found: "missing", expected: "a model's architecture",
                hint: "this GGUF file holds no model")
        }
        guard let architecture = Architectures.named(gguf: name) else {
            throw unknown(name, file.path, "general.architecture", Architectures.all.map { $0.ggufName })
        }
        return architecture
    }

    private static func unknown(_ name: String, _ file: String, _ item: String, _ known: [String]) -> CheckpointError {
        CheckpointError(
            file: file, item: item, found: "architecture \"\(name)\"", expected: known.joined(separator: " or "),
            hint: "neft cannot train this architecture yet")
    }
}

/// GGUF's name of a Hugging Face tensor, and whether its rows may be permuted.
func ggufTensor(_ name: String) -> (name: String, permuted: Bool) {
    switch name {
    case "model.embed_tokens.weight": return ("token_embd.weight", false)
    case "model.norm.weight": return ("output_norm.weight", false)
    case "lm_head.weight": return ("output.weight", false)
    default: break
    }
    let parts = name.split(separator: ".")  // model layers N module (projection) weight
    let names = [
        "q_proj": "attn_q", "k_proj": "attn_k", "v_proj": "attn_v", "o_proj": "attn_output", "gate_proj": "ffn_gate",
        "up_proj": "ffn_up", "down_proj": "ffn_down", "input_layernorm": "attn_norm",
        "post_attention_layernorm": "ffn_norm",
    ]
    let module = String(parts[parts.count - 2])
    return ("blk.\(parts[2]).\(names[module] ?? module).weight", module == "q_proj" || module == "k_proj")
}

/// Hugging Face's row of row `j` of a GGUF file's q or k: GGUF interleaves the two halves of each head.
func ggufRowToHuggingFace(_ j: Int, headDim d: Int) -> Int {
    let s = j % d
    return j / d * d + (s % 2) * (d / 2) + s / 2
}
