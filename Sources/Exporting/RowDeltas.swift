import Checkpoints
import Models
import Neurons

/// What training added to rows of a model, as factors of a low-rank product: `A` holds the differences `[k, in]`, and `B`
/// `[out, k]` a one where a row of the weight takes one of them.
final class RowDeltas {
    let module: RowAdapter.Module
    /// `[out, in]` of the weight.
    let shape: [Int]
    /// Hugging Face name of the weight.
    let tensorName: String
    private let base: WeightSource
    private var original: FloatTensor?
    private let place: [Int32: Int]

    init(_ module: RowAdapter.Module, of model: Decoder, base: WeightSource) {
        self.module = module
        self.base = base
        let tensor = model.parameters[module.weight.parameter].tensor
        shape = tensor.shape
        tensorName = tensor.name
        place = Dictionary(uniqueKeysWithValues: zip(module.rows, 0...))
    }

    /// Puts a row of `A` into `values` `[in]`.
    func readA(_ index: Int, into values: UnsafeMutablePointer<Float>) throws(CheckpointError) {
        // One tensor of the base is in memory at a time.
        let original = if let known = self.original { known } else { try base.floats(tensorName, shape) }
        self.original = index == module.rows.count - 1 ? nil : original
        let columns = shape[1]
        original.copyRow(Int(module.rows[index]), to: values)
        let new = module.weight.tensor.pointer + index * columns
        for column in 0..<columns { values[column] = new[column] - values[column] }
    }

    /// Puts a row of `B` into `values` `[k]`.
    func readB(_ row: Int, into values: UnsafeMutablePointer<Float>) {
        values.update(repeating: 0, count: module.rows.count)
        if let index = place[Int32(row)] { values[index] = 1 }
    }
}
