import Checkpoints
import Foundation
import Models

/// Writes a whole trained model as a Hugging Face directory: `model.safetensors` in fp32, `config.json`, and the
/// source's tokenizer files byte for byte.
public struct ModelDirectoryWriter {
    private let source: HuggingFaceDirectory

    /// Files copied where the source has them.
    static let copiedFiles = [
        "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "vocab.json", "merges.txt", "tokenizer.model", "chat_template.jinja",
    ]

    /// - Throws: if the model did not come from a Hugging Face directory: a GGUF file has no `config.json` to keep.
    public init(source: ModelFiles) throws(TrainingError) {
        switch source {
        case .huggingFace(let directory): self.source = directory
        case .gguf(let file):
            throw TrainingError(
                subject: file.path, found: "a GGUF file, whose configuration cannot be written as config.json",
                expected: "a Hugging Face directory for --method full or linear",
                hint: "use --method neft, or the model's Hugging Face directory")
        }
    }

    /// Writes the present weights of `model` into an existing folder.
    public func write(_ model: any LanguageModel, to folder: String) throws {
        try AtomicFile.write(try configuration(), to: folder + "/config.json")
        for name in Self.copiedFiles {
            let file = "\(source.path)/\(name)"
            guard FileManager.default.fileExists(atPath: file) else { continue }
            do {
                try FileManager.default.copyItem(atPath: file, toPath: "\(folder)/\(name)")
            } catch {
                throw TrainingError(
                    subject: "\(folder)/\(name)", found: "cannot be written: \(error.localizedDescription)",
                    expected: "a copy of \(file)", hint: "check the folder's permissions and the free space")
            }
        }
        // Without "format" transformers refuses the file.
        var writer = SafetensorsWriter(metadata: ["format": "pt"])
        for tensor in model.parameters.map(\.tensor) { writer.add(tensor.name, shape: tensor.shape) { tensor } }
        try writer.write(to: folder + "/model.safetensors")
    }

    /// The source's configuration; what has an old and a new name (the element type, base and scaling of the rotary
    /// positions) under both, because readers of one age silently ignore the other's.
    private func configuration() throws -> String {
        let path = source.config.path
        guard let data = FileManager.default.contents(atPath: path),
            var values = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
        else {
            throw TrainingError(
                subject: path, found: "no JSON object", expected: "the configuration the model was loaded with",
                hint: "the file was changed or removed during the run")
        }
        values["dtype"] = "float32"
        values["torch_dtype"] = "float32"
        let scaling = values["rope_scaling"] as? [String: Any]
        var rope = values["rope_parameters"] as? [String: Any] ?? scaling ?? ["rope_type": "default"]
        rope["rope_type"] = rope["rope_type"] ?? rope["type"]
        if scaling == nil, let kind = rope["rope_type"] as? String, kind != "default" { values["rope_scaling"] = rope }
        if let theta = values["rope_theta"] ?? rope["rope_theta"] {
            rope["rope_theta"] = theta
            values["rope_theta"] = theta
            values["rope_parameters"] = rope
        }
        let text = try JSONSerialization.data(
            withJSONObject: values, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        return String(decoding: text, as: UTF8.self) + "\n"
    }
}
