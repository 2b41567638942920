import Collectives
import Models

/// When each bucket of the packed rows is complete during a backward pass, and when a forward pass first needs it. The
/// same on every rank.
struct BucketReadiness {
    /// By bucket: its lowest layer, whose gradient completes it and which is the first to need it; `layerCount` for what
    /// lies above the layers.
    let layers: [Int]
    /// Buckets in the order in which a backward pass completes them.
    let backwardOrder: [Int]
    /// Buckets in the order in which a forward pass needs them.
    let forwardOrder: [Int]

    /// Of the embedding, which is needed first and whose gradient is complete when the backward pass is done.
    static let belowAllLayers = -1

    init(_ slices: SliceLayout, trainable: TrainableRows, model: any LanguageModel) {
        var layers = [Int](repeating: model.layerCount, count: slices.bucketCount)
        for entry in trainable.entries {
            let values = entry.offset..<entry.offset + entry.count
            let layer =
                switch model.parameters[entry.parameter].role {
                case .projection(let layer, _), .bias(let layer, _), .norm(let layer?), .headNorm(let layer, _),
                    .lowRankA(let layer, _), .lowRankB(let layer, _):
                    layer
                case .norm(nil), .head: model.layerCount
                case .embedding: Self.belowAllLayers
                }
            for bucket in layers.indices where slices.bucket(bucket).overlaps(values) {
                layers[bucket] = min(layers[bucket], layer)
            }
        }
        self.layers = layers
        forwardOrder = layers.indices.sorted { (layers[$0], $0) < (layers[$1], $1) }
        backwardOrder = forwardOrder.reversed()
    }
}
