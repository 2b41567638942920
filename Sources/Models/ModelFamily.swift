import Checkpoints

/// What is known about the architecture of a model on disk, for those that write models: names, orders and keys.
public struct ModelFamily: Sendable {
    let configuration: DecoderConfiguration
    let architecture: any Architecture.Type
    let form: GGUFForm

    /// - Throws: for an architecture that is not known.
    public init(of files: ModelFiles) throws(CheckpointError) {
        configuration = try Decoder.configuration(of: files)
        switch files {
        case .gguf(let file): (architecture, form) = try Decoder.architecture(of: file)
        case .huggingFace(let directory):
            architecture = try Decoder.architecture(of: directory)
            guard let form = architecture.gguf ?? Architectures.named(modelType: architecture.canonicalName)?.gguf
            else {
                preconditionFailure("\(architecture.modelType): no form of GGUF files")
            }
            self.form = form
        }
    }

    /// Its name in the base hash.
    var canonicalName: String { architecture.canonicalName }
    /// `general.architecture` of GGUF files.
    public var ggufName: String { form.name }

    /// Names and order of the weights in GGUF files.
    public var ggufLayout: GGUFLayout {
        GGUFLayout(permutesQueryAndKey: form.permutesQueryAndKey, headDim: configuration.headDim)
    }
}
