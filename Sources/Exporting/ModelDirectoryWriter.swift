import Checkpoints
import Foundation
import Models
import Tokenization

/// Writes a model as a Hugging Face directory: weights, `config.json`, and the source's tokenizer files byte for byte; of a
/// GGUF file, what transformers needs to tokenize the same.
public struct ModelDirectoryWriter {
    private let source: ModelFiles
    private let type: ElementType
    private let shardBytes: Int
    private let template: ChosenTemplate?

    /// Files copied where the source has them.
    static let copiedFiles = [
        "generation_config.json", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json",
        "added_tokens.json", "vocab.json", "merges.txt", "tokenizer.model", "chat_template.jinja",
    ]

    /// - Parameters:
    ///   - source: what the model was made from.
    ///   - type: of the weights: F32, F16 or BF16.
    ///   - shardBytes: how much goes into one file, where a model is larger.
    ///   - template: goes into the tokenizer's files, and the token that ends its turns into `generation_config.json`;
    ///     nil for the source's.
    public init(
        source: ModelFiles, type: ElementType = .float32, shardBytes: Int = 5_000_000_000,
        template: ChosenTemplate? = nil
    ) {
        self.source = source
        self.type = type
        self.shardBytes = shardBytes
        self.template = template
    }

    /// Refuses a source that no `config.json` can describe, before there is anything to write.
    public func checkSource() throws(CheckpointError) {
        guard case .gguf(let file) = source else { return }
        _ = try ModelFamily(of: source).configurationFile(file: file.path)
    }

    /// Writes the present weights of `model` into an existing folder, LoRA merged into them.
    public func write(_ model: Decoder, to folder: String) throws {
        switch source {
        case .huggingFace(let directory):
            try AtomicFile.write(try configuration(of: directory), to: folder + "/config.json")
            for name in Self.copiedFiles where FileManager.default.fileExists(atPath: "\(directory.path)/\(name)") {
                try AtomicFolder.copy("\(directory.path)/\(name)", to: "\(folder)/\(name)")
            }
            if let template { try write(template, intoFilesOf: directory.path, to: folder) }
        case .gguf(let file):
            try writeDescription(of: file, contextLength: model.contextLength, to: folder)
            if let template { try write(template, intoFilesOf: folder, to: folder) }
        }
        try writeWeights(of: model, to: folder)
    }

    // MARK: - Weights

    private func writeWeights(of model: Decoder, to folder: String) throws(CheckpointError) {
        // Without "format" transformers refuses the file.
        let empty = SafetensorsWriter(metadata: ["format": "pt"])
        var shards = [empty]
        var shardOf: [(name: String, shard: Int)] = []
        for (index, parameter) in model.parameters.enumerated() where !parameter.isLowRank {
            let tensor = parameter.tensor
            let next = tensor.count * type.byteCount
            if shards[shards.count - 1].byteCount > 0, shards[shards.count - 1].byteCount + next > shardBytes {
                shards.append(empty)
            }
            shards[shards.count - 1].add(tensor.name, shape: tensor.shape, as: type) { row, values in
                model.readMergedRow(index, row, into: values)
            }
            shardOf.append((tensor.name, shards.count - 1))
        }
        func name(_ shard: Int) -> String {
            func number(_ value: Int) -> String { String("0000\(value)".suffix(max(5, "\(value)".count))) }
            return shards.count == 1
                ? "model.safetensors" : "model-\(number(shard + 1))-of-\(number(shards.count)).safetensors"
        }
        for (shard, writer) in shards.enumerated() { try writer.write(to: "\(folder)/\(name(shard))") }
        guard shards.count > 1 else { return }
        let map = shardOf.map { "    \(JSONText.quoted($0.name)): \(JSONText.quoted(name($0.shard)))" }
        let index = """
            {
              "metadata": {"total_size": \(shards.reduce(0) { $0 + $1.byteCount })},
              "weight_map": {
            \(map.sorted().joined(separator: ",\n"))
              }
            }

            """
        try AtomicFile.write(index, to: folder + "/model.safetensors.index.json")
    }

    // MARK: - Configuration

    private var typeName: String {
        switch type {
        case .float16: "float16"
        case .bfloat16: "bfloat16"
        default: "float32"
        }
    }

    /// The source's configuration; what has an old and a new name (the element type, base and scaling of the rotary
    /// positions) under both, because readers of one age silently ignore the other's.
    private func configuration(of directory: HuggingFaceDirectory) throws -> String {
        var values = try Self.object(in: directory.config.path)
        let scaling = values["rope_scaling"] as? [String: Any]
        var rope = values["rope_parameters"] as? [String: Any] ?? scaling ?? ["rope_type": "default"]
        rope["rope_type"] = rope["rope_type"] ?? rope["type"]
        if scaling == nil, let kind = rope["rope_type"] as? String, kind != "default" { values["rope_scaling"] = rope }
        if let theta = values["rope_theta"] ?? rope["rope_theta"] {
            rope["rope_theta"] = theta
            values["rope_theta"] = theta
            values["rope_parameters"] = rope
        }
        return try text(values)
    }

    private func text(_ configuration: [String: Any]) throws -> String {
        let types = ["dtype": typeName, "torch_dtype": typeName]
        return try Self.json(configuration.merging(types) { _, new in new })
    }

    private static func object(in path: String) throws(CheckpointError) -> [String: Any] {
        guard let data = FileManager.default.contents(atPath: path),
            let values = try? JSONSerialization.jsonObject(with: data) as? [String: Any]
        else {
            throw CheckpointError(
                file: path, found: "no JSON object", expected: "the configuration the model was loaded with",
                hint: "the file was changed or removed meanwhile")
        }
        return values
    }

    static func json(_ object: [String: Any]) throws -> String {
        let text = try JSONSerialization.data(
            withJSONObject: object, options: [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes])
        return String(decoding: text, as: UTF8.self) + "\n"
    }

    /// Puts a template in the place of the one that the files of `source` have, and its end token beside theirs.
    private func write(_ template: ChosenTemplate, intoFilesOf source: String, to folder: String) throws {
        var tokenizer = try Self.object(in: source + "/tokenizer_config.json")
        // Some readers want it here, newer ones in a file of its own.
        tokenizer["chat_template"] = template.source
        try AtomicFile.write(try Self.json(tokenizer), to: folder + "/tokenizer_config.json")
        try AtomicFile.write(template.source, to: folder + "/chat_template.jinja")
        guard let end = template.endToken else { return }
        let configuration = try Self.object(in: source + "/config.json")
        let path = source + "/generation_config.json"
        var generation: [String: Any] = [:]
        if FileManager.default.fileExists(atPath: path) {
            generation = try Self.object(in: path)
        } else {
            // Where there is no such file, transformers takes these from config.json.
            for key in ["bos_token_id", "pad_token_id"] { generation[key] = configuration[key] }
        }
        let stated = generation["eos_token_id"] ?? configuration["eos_token_id"]
        var ends = (stated as? [Any] ?? [stated as Any]).compactMap { $0 as? Int }
        if !ends.contains(Int(end)) { ends.append(Int(end)) }
        generation["eos_token_id"] = ends
        try AtomicFile.write(try Self.json(generation), to: folder + "/generation_config.json")
    }

    /// Configuration and tokenizer of a GGUF file.
    private func writeDescription(of file: GGUFFile, contextLength: Int, to folder: String) throws {
        let vocabulary = try GGUFVocabulary(file)
        let files = try TokenizerFiles(vocabulary, contextLength: contextLength, file: file.path)
        let tokenizer = try Tokenizer(gguf: vocabulary, file: file.path)
        var ids: [String: Any] = [:]
        ids["bos_token_id"] = tokenizer.bosToken.map { Int($0) }
        ids["eos_token_id"] = tokenizer.eosToken.map { Int($0) }
        ids["pad_token_id"] = vocabulary.paddingToken.map { Int($0) }
        let family = try ModelFamily(of: source)
        let configuration = try family.configurationFile(file: file.path).merging(ids) { _, new in new }
        try AtomicFile.write(try text(configuration), to: folder + "/config.json")
        try AtomicFile.write(try Self.json(ids), to: folder + "/generation_config.json")
        try AtomicFile.write(files.tokenizer, to: folder + "/tokenizer.json")
        try AtomicFile.write(files.configuration, to: folder + "/tokenizer_config.json")
        if let template = files.chatTemplate { try AtomicFile.write(template, to: folder + "/chat_template.jinja") }
    }
}
