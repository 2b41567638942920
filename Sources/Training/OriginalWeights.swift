import Kernels
import Models
import Neurons

/// Every weight of a model as it was before training.
struct OriginalWeights {
    /// A second model with the weights, or a copy of them in packed order.
    private let parameters: [Parameter]
    private let copy: TensorStorage?

    init(model: any LanguageModel) {
        parameters = model.parameters
        copy = nil
    }

    init(copying model: any LanguageModel) {
        parameters = []
        let access = PackedRowAccess(model.everyWeight, parameters: model.parameters)
        let copy = TensorStorage(count: access.count)
        access.gather(0..<access.count, into: copy.pointer)
        self.copy = copy
    }

    /// The values of a whole tensor in parts of whole rows, with each part's place in packed order.
    func forEachPart(
        of entry: TrainableRows.Entry, _ body: (_ offset: Int, _ values: UnsafeBufferPointer<Float>) -> Void
    ) {
        if let copy {
            body(entry.offset, UnsafeBufferPointer(start: copy.pointer + entry.offset, count: entry.count))
            return
        }
        var offset = entry.offset
        parameters[entry.parameter].tensor.forEachPart { values in
            body(offset, values)
            offset += values.count
        }
    }
}
