import Collectives
import Models

/// When each bucket of the packed gradient is complete during a backward pass. The same on every rank.
struct BucketReadiness {
    /// By bucket: the layer whose gradient completes it, `layerCount` for what lies above the layers.
    let layers: [Int]
    /// Buckets in the order in which they are complete.
    let order: [Int]

    /// When the whole backward pass is done: the embedding's gradient is complete.
    static let afterAllLayers = -1

    init(_ slices: SliceLayout, trainable: TrainableRows, model: any LanguageModel) {
        var layers = [Int](repeating: model.layerCount, count: slices.bucketCount)
        for entry in trainable.entries {
            let values = entry.offset..<entry.offset + entry.count
            let layer =
                switch model.parameters[entry.parameter].role {
                case .projection(let layer, _), .norm(let layer?): layer
                case .norm(nil), .head: model.layerCount
                case .embedding: Self.afterAllLayers
                }
            for bucket in layers.indices where slices.bucket(bucket).overlaps(values) {
                layers[bucket] = min(layers[bucket], layer)
            }
        }
        self.layers = layers
        order = layers.indices.sorted { (layers[$0], $0) > (layers[$1], $1) }
    }
}
