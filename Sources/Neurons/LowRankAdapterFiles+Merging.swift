import Checkpoints
import Foundation
import Models

extension LowRankAdapterFiles {
    /// Whether a folder holds what becomes part of the weights when it is loaded: new rows or biases, or LoRA with a rank of
    /// its own for some modules. `merge` loads it then, else `attach` does.
    public static func isMerged(_ folder: String) throws(CheckpointError) -> Bool {
        try keyForMerging(ConfigurationFile(path: "\(folder)/\(configName)")) != nil
    }

    /// What of a configuration is not LoRA alike on all modules.
    static func keyForMerging(_ config: ConfigurationFile) throws(CheckpointError) -> String? {
        if config.has("trainable_token_indices") { return "trainable_token_indices" }
        if try config.text("bias", default: "none") != "none" { return "bias" }
        for key in ["rank_pattern", "alpha_pattern"] where try config.object(key)?.isEmpty == false { return key }
        return nil
    }

    /// Puts new rows and products of factors into the weights of the model they belong to.
    /// - Throws: before anything is changed, for what this engine does not compute and for another model's adapter.
    public static func merge(_ folder: String, into model: Decoder, baseHash: () -> String) throws {
        let config = try ConfigurationFile(path: "\(folder)/\(configName)")
        let standard = try read(config)
        let file = try weights(folder, baseHash: baseHash)
        var known: Set<String> = []
        let rows = try newRows(config, file, of: model, known: &known)
        var products: [(parameter: Int, a: FloatTensor, b: FloatTensor, factor: Float)] = []
        for name in file.entries.keys.filter({ $0.hasSuffix(".lora_A.weight") }).sorted() {
            let module = String(name.dropFirst(prefix.count).dropLast(".lora_A.weight".count))
            let second = "\(prefix)\(module).lora_B.weight"
            let (a, b) = (try file.floats(name), try file.floats(second))
            known.formUnion([name, second])
            let isZero = b.buffer.allSatisfy { $0 == 0 }
            // What neft writes where PEFT wants a target.
            if isZero { continue }
            guard let index = model.parameters.firstIndex(where: { $0.module == module && $0.tensor.shape.count == 2 }),
                a.shape.count == 2, b.shape.count == 2, a.columns == model.parameters[index].columns,
                b.rows == model.parameters[index].rows, a.rows == b.columns
            else {
                throw NeuronError(
                    subject: file.path, found: "factors of \(module) with shapes \(a.shape) and \(b.shape)",
                    expected: "factors of a projection of the model", hint: "pass the model it was trained from")
            }
            let alpha = try alpha(of: module, config) ?? standard.alpha
            let factor = Float(alpha / Double(a.rows))
            guard factor.isFinite else {
                throw NeuronError(
                    subject: "\(config.path): alpha_pattern", found: "\(alpha) for \(module)",
                    expected: "a number that fp32 has", hint: "the file is damaged")
            }
            products.append((index, a, b, factor))
        }
        var biases: [(parameter: Int, values: FloatTensor)] = []
        for projection in model.projections {
            let name = "\(prefix)\(projection.module).\(biasName)"
            guard let bias = projection.bias, file.entries[name] != nil else { continue }
            biases.append((bias, try file.floats(name, shape: [projection.rows])))
            known.insert(name)
        }
        try requireOnly(known, in: file)
        RowAdapter.apply(rows, to: model)
        for bias in biases {
            model.parameters[bias.parameter].tensor.pointer.update(
                from: bias.values.pointer, count: bias.values.count)
        }
        for product in products {
            model.addProduct(to: product.parameter, a: product.a, b: product.b, factor: product.factor)
        }
    }

    private static func newRows(
        _ config: ConfigurationFile, _ file: SafetensorsFile, of model: Decoder, known: inout Set<String>
    ) throws -> [RowAdapter.Module] {
        guard let indices = try config.object("trainable_token_indices") else { return [] }
        let projections = Dictionary(uniqueKeysWithValues: model.projections.map { ($0.module, $0) })
        var modules: [RowAdapter.Module] = []
        for module in indices.keys.sorted() {
            let rows = try indices.integers(module).map { Int32(clamping: $0) }
            guard let projection = projections[module], NeuronMask.areRows(rows),
                Int(rows.last ?? 0) < projection.rows
            else {
                throw NeuronError(
                    subject: "\(config.path): trainable_token_indices", found: "rows of \(module)",
                    expected: "ascending rows of a projection of the model",
                    hint: "merge the adapter into its model with PEFT, and use that")
            }
            let name = "\(prefix)\(module).\(rowsName)"
            let values = try file.floats(
                name, shape: [rows.count, model.parameters[projection.parameter].columns])
            modules.append(
                RowAdapter.Module(
                    name: module, rows: rows, weight: .init(parameter: projection.parameter, tensor: values)))
            known.insert(name)
        }
        return modules
    }

    /// What `alpha_pattern` says of a module: PEFT takes the end of its name, and regular expressions, which are refused.
    private static func alpha(of module: String, _ config: ConfigurationFile) throws -> Double? {
        guard let patterns = try config.object("alpha_pattern") else { return nil }
        let matching = patterns.keys.filter { module == $0 || module.hasSuffix("." + $0) }.sorted()
        let isName = patterns.keys.allSatisfy { $0.allSatisfy { $0.isLetter || $0.isNumber || $0 == "." || $0 == "_" } }
        guard isName, matching.count < 2 else {
            throw NeuronError(
                subject: "\(config.path): alpha_pattern",
                found: "keys \(patterns.keys.sorted().joined(separator: ", "))",
                expected: "names of modules, one for each",
                hint: "merge the adapter into its model with PEFT, and use that")
        }
        return try matching.first.map { try patterns.number($0) }
    }
}
