import Checkpoints
import Models
import Tokenization

/// Writes a model as one GGUF file: with every metadata value of the source where that is a GGUF file, else with those that
/// llama.cpp needs.
public struct GGUFModelWriter {
    private let source: ModelFiles
    private let type: GGUFElement
    private let template: ChosenTemplate?

    /// - Parameters:
    ///   - source: what the model was made from.
    ///   - type: of the matrices: one of `GGUFElement.writable`. Vectors are F32, and F16 what has rows that are no whole
    ///     blocks of Q8_0.
    ///   - template: goes into the metadata with the token that ends its turns; nil for the source's.
    public init(source: ModelFiles, type: GGUFElement, template: ChosenTemplate? = nil) {
        self.source = source
        self.type = type
        self.template = template
    }

    /// Writes the present weights of `model`, LoRA merged into them.
    /// `changed`: modules with weights other than the source's; nil for all. Tensors of others are copied as they are in a
    /// GGUF source, where it has them in the type that is written.
    /// `name`: of the model, for people.
    public func write(_ model: Decoder, changed: Set<String>?, name: String, to path: String) throws {
        let family = try ModelFamily(of: source)
        let layout = family.ggufLayout
        var writer = GGUFWriter()
        var original: GGUFFile?
        switch source {
        case .gguf(let file):
            original = file
            writer.copyMetadata(of: file)
        case .huggingFace(let directory):
            for (key, value) in try family.ggufMetadata(file: directory.config.path) { writer.set(key, value) }
            writer.set("general.name", .string(name))
            let vocabulary = try GGUFVocabulary(directory: directory.path, rows: model.vocabularySize)
            for (key, value) in vocabulary.metadata { writer.set(key, value) }
        }
        if let template {
            writer.set("tokenizer.chat_template", .string(template.source))
            // llama.cpp ends answers at this token and at that of the end of a text.
            if let end = template.endToken { writer.set("tokenizer.ggml.eot_token_id", .uint32(UInt32(end))) }
        }
        writer.set("general.file_type", .uint32(fileType))
        if type == .q8_0 { writer.set("general.quantization_version", .uint32(2)) }
        var written: Set<String> = []
        for (index, parameter) in model.parameters.enumerated() where !parameter.isLowRank {
            let tensor = parameter.tensor
            let name = layout.name(of: tensor.name)
            let type = element(for: tensor)
            let rows = layout.rows(of: tensor.name)
            written.insert(name)
            if changed?.contains(parameter.module) == false,
                let bytes = original?.bytes(name, type: type, shape: tensor.shape)
            {
                writer.add(name, shape: tensor.shape, type: type, bytes: bytes)
            } else {
                writer.add(name, shape: tensor.shape, type: type) { row, values in
                    model.readMergedRow(index, rows?(row) ?? row, into: values)
                }
            }
        }
        if let original {
            try addRest(of: original, without: written, to: &writer)
        } else if let divisors = family.ggufRoPEDivisors {
            writer.add("rope_freqs.weight", shape: [divisors.count], type: .f32) { _, values in
                values.update(from: divisors, count: divisors.count)
            }
        }
        try withExtendedLifetime(original) { try writer.write(to: path) }
    }

    /// Tensors that are no weights, such as the divisors of rotary frequencies, as they are.
    private func addRest(
        of file: GGUFFile, without written: Set<String>, to writer: inout GGUFWriter
    ) throws(CheckpointError) {
        for (name, entry) in file.entries.sorted(by: { $0.key < $1.key }) where !written.contains(name) {
            guard let type = GGUFElement(rawValue: entry.type),
                let bytes = file.bytes(name, type: type, shape: entry.shape)
            else {
                throw CheckpointError(
                    file: file.path, item: name, found: "a tensor that neft does not use, of an unknown type",
                    expected: "tensors of a known type", hint: "export another format")
            }
            writer.add(name, shape: entry.shape, type: type, bytes: bytes)
        }
    }

    private func element(for tensor: FloatTensor) -> GGUFElement {
        if tensor.shape.count == 1 { return .f32 }
        return type == .q8_0 && tensor.columns % 32 != 0 ? .f16 : type
    }

    /// llama.cpp's number of what most tensors are.
    private var fileType: UInt32 {
        switch type {
        case .f16: 1
        case .q8_0: 7
        case .bf16: 32
        default: 0
        }
    }
}

extension GGUFVocabulary {
    /// `tokenizer.*` of a GGUF file.
    var metadata: [(key: String, value: GGUFWriter.Value)] {
        var values: [(key: String, value: GGUFWriter.Value)] = [("tokenizer.ggml.model", .string(model))]
        if let pre { values.append(("tokenizer.ggml.pre", .string(pre))) }
        values.append(("tokenizer.ggml.tokens", .strings(tokens)))
        if let scores { values.append(("tokenizer.ggml.scores", .floats(scores))) }
        if let tokenTypes { values.append(("tokenizer.ggml.token_type", .integers(tokenTypes))) }
        if model == "gpt2" { values.append(("tokenizer.ggml.merges", .strings(merges))) }
        let ids = [
            ("bos", bosToken), ("eos", eosToken), ("unknown", unknownToken), ("padding", paddingToken),
        ]
        for case (let name, let id?) in ids {
            values.append(("tokenizer.ggml.\(name)_token_id", .uint32(UInt32(id))))
        }
        if let addBOS { values.append(("tokenizer.ggml.add_bos_token", .bool(addBOS))) }
        if model == "llama" { values.append(("tokenizer.ggml.add_space_prefix", .bool(addSpacePrefix))) }
        if let chatTemplate { values.append(("tokenizer.chat_template", .string(chatTemplate))) }
        return values
    }
}
