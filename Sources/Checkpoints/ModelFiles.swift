import Foundation

/// A model on disk, of either kind.
public enum ModelFiles: Sendable {
    /// A directory with `config.json`, safetensors and tokenizer files.
    case huggingFace(HuggingFaceDirectory)
    /// One file with everything.
    case gguf(GGUFFile)

    /// A directory is read as a Hugging Face model, a file as GGUF.
    public static func open(_ path: String) throws(CheckpointError) -> ModelFiles {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isDirectory) else {
            throw CheckpointError(
                file: path, found: "no such file or directory",
                expected: "a GGUF file or a Hugging Face model directory", hint: "check the path given with --model")
        }
        if isDirectory.boolValue { return .huggingFace(try HuggingFaceDirectory(path: path)) }
        if path.hasSuffix(".safetensors") || path.hasSuffix(".json") {
            throw CheckpointError(
                file: path, found: "one file of a model", expected: "the directory that holds it, or a GGUF file",
                hint: "pass \(URL(fileURLWithPath: path).deletingLastPathComponent().path)")
        }
        return .gguf(try GGUFFile(path: path))
    }

    /// The files that the weights and the configuration come from.
    public var paths: [String] {
        switch self {
        case .huggingFace(let directory): [directory.config.path] + directory.weightFiles
        case .gguf(let file): [file.path]
        }
    }

    /// The same model, mapped anew: its weights as they are in the files. Those of a Hugging Face directory are used in place,
    /// so training, or an adapter, has changed what the first mapping shows.
    public func reopened() throws(CheckpointError) -> ModelFiles {
        switch self {
        case .huggingFace(let directory): .huggingFace(try HuggingFaceDirectory(path: directory.path))
        case .gguf(let file): .gguf(try GGUFFile(path: file.path))
        }
    }
}
