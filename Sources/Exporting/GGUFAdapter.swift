import Checkpoints
import Models
import Neurons

/// An adapter as llama.cpp loads it on the base model: a GGUF file of low-rank products.
public enum GGUFAdapter {
    /// Writes trained rows: per module the differences as `lora_a` and their rows as `lora_b`.
    /// `model`: what the rows belong to; its weights are not read.
    /// `files`: of the base model.
    /// - Throws: for biases, which llama.cpp's adapters cannot change.
    public static func write(
        _ modules: [RowAdapter.Module], of model: Decoder, files: ModelFiles, to path: String
    ) throws(CheckpointError) {
        let family = try ModelFamily(of: files)
        let base = try WeightSource(files.reopened())
        if let biased = modules.first(where: { $0.bias != nil }) {
            throw CheckpointError(
                file: path, item: biased.name, found: "trained biases", expected: "weights alone in a GGUF adapter",
                hint: "llama.cpp's adapters cannot change biases: use --format gguf")
        }
        // llama.cpp multiplies by alpha / rank, and by one where alpha is 0.
        var writer = header(family, alpha: 0)
        for module in modules {
            let deltas = RowDeltas(module, of: model, base: base)
            let name = family.ggufLayout.name(of: deltas.tensorName)
            let rows = family.ggufLayout.rows(of: deltas.tensorName)
            let rank = module.rows.count
            writer.add("\(name).lora_a", shape: [rank, deltas.shape[1]], type: .f32) {
                (row, values) throws(CheckpointError) in
                try deltas.readA(row, into: values)
            }
            writer.add("\(name).lora_b", shape: [deltas.shape[0], rank], type: .f32) { row, values in
                deltas.readB(rows?(row) ?? row, into: values)
            }
        }
        try writer.write(to: path)
    }

    /// Writes the LoRA that is on a model.
    public static func write(lowRankOf model: Decoder, files: ModelFiles, to path: String) throws(CheckpointError) {
        let family = try ModelFamily(of: files)
        let factors = model.parameters.filter(\.isLowRank).map(\.tensor)
        let rank = factors.first.map(\.rows) ?? 1
        var writer = header(family, alpha: (model.lowRankScale ?? 1) * Float(rank))
        for tensor in factors {
            // model.layers.N.module.lora_A.weight
            let parts = tensor.name.components(separatedBy: ".lora_")
            let weight = parts[0] + ".weight"
            let isA = parts[1].hasPrefix("A")
            let rows = isA ? nil : family.ggufLayout.rows(of: weight)
            let name = family.ggufLayout.name(of: weight) + (isA ? ".lora_a" : ".lora_b")
            writer.add(name, shape: tensor.shape, type: .f32) { row, values in
                tensor.copyRow(rows?(row) ?? row, to: values)
            }
        }
        try writer.write(to: path)
    }

    private static func header(_ family: ModelFamily, alpha: Float) -> GGUFWriter {
        var writer = GGUFWriter()
        writer.set("general.architecture", .string(family.ggufName))
        writer.set("general.type", .string("adapter"))
        writer.set("adapter.type", .string("lora"))
        writer.set("adapter.lora.alpha", .float32(alpha))
        return writer
    }

    /// Adds a file's products to the base model's weights, as llama.cpp does while it computes.
    public static func apply(_ path: String, to model: Decoder, files: ModelFiles) throws(CheckpointError) {
        let layout = try ModelFamily(of: files).ggufLayout
        let file = try GGUFFile(path: path)
        let alpha = file.metadata["adapter.lora.alpha"]?.number ?? 0
        var used = 0
        for (index, parameter) in model.parameters.enumerated() {
            // LoRA's own factors have no place in a GGUF file.
            guard !parameter.isLowRank else { continue }
            let name = layout.name(of: parameter.tensor.name)
            guard let a = file.entries["\(name).lora_a"], let b = file.entries["\(name).lora_b"] else { continue }
            model.addProduct(
                to: index, a: try file.floats(a.name, as: a.name, shape: a.shape),
                b: try file.floats(b.name, as: b.name, shape: b.shape),
                factor: alpha == 0 ? 1 : Float(alpha) / Float(a.shape[0]),
                bRow: layout.ggufRows(of: parameter.tensor.name))
            used += 2
        }
        guard used == file.entries.count, used > 0 else {
            throw CheckpointError(
                file: path, found: "\(file.entries.count) tensors, \(used) of them factors of the model's weights",
                expected: "factors alone", hint: "the file is damaged or of another model")
        }
    }
}
