import Checkpoints
import Kernels

extension Decoder {
    /// Loads a GGUF file or a Hugging Face directory.
    ///
    /// Weights that the checkpoint holds in the type they are computed in are used in place. Others are converted once into
    /// a file in `cache`, which all processes map, or where that cannot be written into memory of this process.
    /// - Parameters:
    ///   - files: what `ModelFiles.open` found.
    ///   - team: the threads the model will compute on.
    ///   - compute: `.bfloat16` needs `CPU.hasBFloat16`.
    ///   - cache: a folder, made if it is not there; nil for none.
    ///   - onPrivateCopy: told why converted weights cannot be written to `cache`.
    public static func load(
        _ files: ModelFiles, team: WorkerTeam, compute: ComputeType = .float32, cache: String? = nil,
        onPrivateCopy: @escaping (CheckpointError) -> Void = { _ in }
    ) throws(CheckpointError) -> Decoder {
        let source = try WeightSource(files)
        let cache = WeightCache(folder: cache, sources: files.paths, onFailure: onPrivateCopy)
        let all = tensors(of: source.configuration)
        let matrices = all.filter { $0.shape.count > 1 }
        let salt = "architecture=\(source.architecture)"
        func decoder(_ tensor: (_ name: String, _ shape: [Int]) throws(CheckpointError) -> FloatTensor)
            throws(CheckpointError) -> Decoder
        {
            try Decoder(
                architecture: source.architecture, configuration: source.configuration, team: team, tensor: tensor)
        }
        if compute == .bfloat16, matrices.allSatisfy({ source.isHalf($0.name) }) {
            return try decoder { (name: String, shape: [Int]) throws(CheckpointError) -> FloatTensor in
                guard shape.count > 1, let half = try source.half(name, shape) else {
                    return try source.floats(name, shape)
                }
                return FloatTensor(name: name, shape: shape, half: half)
            }
        }
        if compute == .bfloat16 {
            let halves = try cache.tensors(
                .bfloat16, salt: salt, matrices.map { ($0.name, $0.shape) }, source.floats)
            return try decoder { (name: String, shape: [Int]) throws(CheckpointError) -> FloatTensor in
                guard shape.count > 1 else { return try source.floats(name, shape) }
                let half: HalfTensor
                if let cached = try halves?.half(name, shape: shape) {
                    half = cached
                } else {
                    half = HalfTensor(rounding: try source.floats(name, shape))
                }
                return FloatTensor(name: name, shape: shape, half: half, exact: try source.rows(name, shape))
            }
        }
        var converted: SafetensorsFile?
        if !all.allSatisfy({ source.isSingle($0.name) }) {
            converted = try cache.tensors(.float32, salt: salt, all.map { ($0.name, $0.shape) }, source.floats)
        }
        return try decoder { (name: String, shape: [Int]) throws(CheckpointError) -> FloatTensor in
            if let converted { try converted.floats(name, shape: shape) } else { try source.floats(name, shape) }
        }
    }

    /// The sizes alone; reads no weights.
    public static func configuration(of files: ModelFiles) throws(CheckpointError) -> DecoderConfiguration {
        switch files {
        case .huggingFace(let directory): return try architecture(of: directory).configuration(directory.config)
        case .gguf(let file):
            let (type, form) = try architecture(of: file)
            return try type.configuration(GGUFMetadata(file: file, architecture: form.name))
        }
    }

    static func architecture(
        of directory: HuggingFaceDirectory
    ) throws(CheckpointError) -> any Architecture.Type {
        let type = try directory.config.text("model_type")
        guard let architecture = Architectures.named(modelType: type) else {
            throw unknown(type, directory.config.path, "model_type", Architectures.all.map { $0.modelType })
        }
        return architecture
    }

    static func architecture(
        of file: GGUFFile
    ) throws(CheckpointError) -> (any Architecture.Type, GGUFForm) {
        guard let name = file.metadata["general.architecture"]?.text else {
            throw CheckpointError(
                file: file.path, item: "general.architecture", found: "missing", expected: "a model's architecture",
                hint: "this GGUF file holds no model")
        }
        guard let architecture = Architectures.named(gguf: name), let form = architecture.gguf else {
            throw unknown(name, file.path, "general.architecture", Architectures.all.compactMap { $0.gguf?.name })
        }
        return (architecture, form)
    }

    private static func unknown(_ name: String, _ file: String, _ item: String, _ known: [String]) -> CheckpointError {
        CheckpointError(
            file: file, item: item, found: "architecture \"\(name)\"", expected: known.joined(separator: " or "),
            hint: "neft cannot train this architecture yet")
    }
}

/// Where a model's sizes and weights come from, by their Hugging Face names.
public struct WeightSource {
    /// Its name in the base hash.
    let architecture: String
    let configuration: DecoderConfiguration
    private let files: ModelFiles
    private let layout: GGUFLayout

    /// Reads the sizes; no weight yet.
    /// - Throws: for an architecture that the engine does not compute.
    public init(_ files: ModelFiles) throws(CheckpointError) {
        self.files = files
        let family = try ModelFamily(of: files)
        architecture = family.canonicalName
        layout = family.ggufLayout
        configuration = family.configuration
        if case .gguf(let file) = files { try requireKnownTensors(of: file) }
    }

    /// A bias or a norm that the architecture has not would be left out of every product without a word.
    private func requireKnownTensors(of file: GGUFFile) throws(CheckpointError) {
        let known = Set(Decoder.tensors(of: configuration).map { layout.name(of: $0.name) })
        // Old files hold rotary frequencies that follow from the metadata.
        let unknown = file.entries.keys.filter {
            $0.hasPrefix("blk.") && !known.contains($0) && !$0.hasSuffix("attn_rot_embd.weight")
        }
        guard let name = unknown.min() else { return }
        throw CheckpointError(
            file: file.path, item: name, found: "a tensor that \(architecture) has not",
            expected: "the tensors of \(configuration.layerCount) layers of \(architecture)",
            hint: "neft does not compute this variant of the architecture yet")
    }

    /// One tensor: in place where the checkpoint holds fp32, else converted into memory of this process.
    public func floats(_ name: String, _ shape: [Int]) throws(CheckpointError) -> FloatTensor {
        switch files {
        case .huggingFace(let directory): return try directory.tensor(name, shape: shape)
        case .gguf(let file):
            return try file.floats(layout.name(of: name), as: name, shape: shape, rowOf: layout.rows(of: name))
        }
    }

    /// A matrix's rows, widened to fp32 when they are asked for.
    func rows(_ name: String, _ shape: [Int]) throws(CheckpointError) -> any RowSource {
        switch files {
        case .huggingFace(let directory): return try directory.rows(name, shape: shape)
        case .gguf(let file):
            return try file.rows(layout.name(of: name), shape: shape, rowOf: layout.rows(of: name))
        }
    }

    /// In place; nil where the checkpoint holds another type.
    func half(_ name: String, _ shape: [Int]) throws(CheckpointError) -> HalfTensor? {
        guard case .huggingFace(let directory) = files else { return nil }
        return try directory.half(name, shape: shape)
    }

    func isHalf(_ name: String) -> Bool { type(name) == .bfloat16 }
    func isSingle(_ name: String) -> Bool { type(name) == .float32 }

    private func type(_ name: String) -> ElementType? {
        guard case .huggingFace(let directory) = files else { return nil }
        return directory.type(of: name)
    }
}
