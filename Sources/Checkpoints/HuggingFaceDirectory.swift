import Foundation

/// A model directory as `save_pretrained` writes it: `config.json` and safetensors, single or sharded.
public final class HuggingFaceDirectory: @unchecked Sendable {
    /// Where the directory is.
    public let path: String
    /// `config.json`.
    public let config: ConfigurationFile
    /// The weight files, in the order of their names.
    public let weightFiles: [String]
    private let files: [SafetensorsFile]
    private let fileOf: [String: Int]

    /// Maps the weight files and reads their headers; throws where `config.json` or weights are missing or damaged.
    public init(path: String) throws(CheckpointError) {
        self.path = path
        if let hint = HuggingFaceDirectory.hint(withoutConfiguration: path) {
            throw CheckpointError(
                file: path + "/config.json", found: "no such file",
                expected: "a Hugging Face model directory or a GGUF file", hint: hint)
        }
        config = try ConfigurationFile(path: path + "/config.json")
        let single = path + "/model.safetensors"
        let index = path + "/model.safetensors.index.json"
        var names: [String]
        var listed: [String: String]?
        if FileManager.default.fileExists(atPath: single) {
            names = ["model.safetensors"]
        } else if FileManager.default.fileExists(atPath: index) {
            let object = try ConfigurationFile(path: index)
            guard let map = object.values["weight_map"] as? [String: String] else {
                throw CheckpointError(
                    file: index, item: "weight_map", found: "no map of names to files", expected: "one",
                    hint: "download or save the model again")
            }
            listed = map
            names = Set(map.values).sorted()
        } else {
            throw CheckpointError(
                file: path, found: "neither model.safetensors nor model.safetensors.index.json",
                expected: "a Hugging Face model directory",
                hint: "save the model with save_pretrained(..., safe_serialization=True), or pass a GGUF file")
        }
        names.sort()
        var files: [SafetensorsFile] = []
        for name in names {
            guard !name.contains("/") else {
                throw CheckpointError(
                    file: index, item: name, found: "a path", expected: "a file name in the model's directory",
                    hint: "download or save the model again")
            }
            files.append(try SafetensorsFile(path: "\(path)/\(name)"))
        }
        weightFiles = names.map { "\(path)/\($0)" }
        var fileOf: [String: Int] = [:]
        for (number, file) in files.enumerated() {
            // Where several files hold a tensor, the index says which one counts.
            for name in file.entries.keys where listed == nil || listed?[name] == names[number] {
                fileOf[name] = number
            }
        }
        for (name, file) in (listed ?? [:]).sorted(by: { $0.key < $1.key }) where fileOf[name] == nil {
            throw CheckpointError(
                file: "\(path)/\(file)", item: name, found: "no such tensor", expected: "it, as the index says",
                hint: "download or save the model again")
        }
        self.files = files
        self.fileOf = fileOf
    }

    /// What to pass instead of a folder that holds something else; nil where `config.json` is there, or nothing known.
    private static func hint(withoutConfiguration path: String) -> String? {
        let names = Set((try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [])
        guard !names.contains("config.json") else { return nil }
        if names.contains("adapter.safetensors") || names.contains("adapter_config.json") {
            return "an adapter: give it with --adapter, and its base model with --model"
        }
        let folder = path.hasSuffix("/") ? path : path + "/"
        // What `neft export --format gguf-adapter` writes is no model.
        let files = names.filter { $0.hasSuffix(".gguf") && $0 != "adapter.gguf" }
        if files.contains("model.gguf") { return "give \(folder)model.gguf" }
        guard let first = files.min() else { return nil }
        return files.count == 1 ? "give \(folder)\(first)" : "give one of its GGUF files, such as \(folder)\(first)"
    }

    /// A weight by its name; see `SafetensorsFile.floats`.
    public func tensor(_ name: String, shape: [Int]) throws(CheckpointError) -> FloatTensor {
        guard let number = fileOf[name] else {
            throw CheckpointError(
                file: path, item: name, found: "no such tensor", expected: "shape \(shape)",
                hint: "the model is incomplete or of another architecture")
        }
        return try files[number].floats(name, shape: shape)
    }

    /// A matrix's rows; see `SafetensorsFile.rows`.
    public func rows(_ name: String, shape: [Int]) throws(CheckpointError) -> any RowSource {
        guard let number = fileOf[name] else { return try tensor(name, shape: shape) }  // Says what is missing.
        return try files[number].rows(name, shape: shape)
    }

    /// A weight that is stored as BF16; see `SafetensorsFile.half`.
    public func half(_ name: String, shape: [Int]) throws(CheckpointError) -> HalfTensor? {
        guard let number = fileOf[name] else { return nil }
        return try files[number].half(name, shape: shape)
    }

    /// In what a tensor is stored; nil where there is none of that name, or its type is unknown.
    public func type(of name: String) -> ElementType? {
        fileOf[name].flatMap { files[$0].entries[name] }.flatMap { ElementType(rawValue: $0.type) }
    }
}
