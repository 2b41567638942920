import Checkpoints
import Datasets
import Kernels

/// What a tensor of a model is: decides whether its rows are neurons.
public enum ParameterRole: Sendable, Equatable {
    /// One of the seven projections of a block: its rows are neurons.
    case projection(layer: Int, Projection)
    /// A projection's bias: value `r` belongs to the neuron of row `r`.
    case bias(layer: Int, Projection)
    /// The vectors of the tokens, `[V, hidden]`.
    case embedding
    /// An output head of its own, `[V, hidden]`.
    case head
    /// The factors of LoRA on a projection, `[rank, in]` and `[out, rank]`.
    case lowRankA(layer: Int, Projection)
    /// The second factor of LoRA, `[out, rank]`.
    case lowRankB(layer: Int, Projection)
    /// RMSNorm weight before attention or the MLP of `layer`, or the final one (`layer == nil`).
    case norm(layer: Int?)
    /// RMSNorm weight of every head's query or key.
    case headNorm(layer: Int, Projection)
}

/// One weight tensor of a model, named as in Hugging Face checkpoints.
public struct Parameter: Sendable {
    /// Its name, shape and values.
    public let tensor: FloatTensor
    /// What it is in the model.
    public let role: ParameterRole

    /// A tensor with its role.
    public init(tensor: FloatTensor, role: ParameterRole) {
        self.tensor = tensor
        self.role = role
    }

    /// Hugging Face module name, the tensor's name without `.weight` or `.bias`.
    public var module: String {
        for suffix in [".weight", ".bias"] where tensor.name.hasSuffix(suffix) {
            return String(tensor.name.dropLast(suffix.count))
        }
        return tensor.name
    }
    /// Whether it is a factor of LoRA, not a weight of the model itself.
    public var isLowRank: Bool {
        switch role {
        case .lowRankA, .lowRankB: true
        default: false
        }
    }
    /// Whether it is a projection's bias, whose values belong to its neurons.
    public var isBias: Bool { if case .bias = role { true } else { false } }
    /// Rows that can be trained alone: 1 for a vector, but of a bias, its values.
    public var rows: Int { isBias ? tensor.count : tensor.rows }
    /// Values of a row.
    public var columns: Int { isBias ? 1 : tensor.columns }
}

/// The rows that receive gradients, laid end to end in one packed buffer of `count` floats.
///
/// Entries follow the order of `LanguageModel.parameters`, which is `NeuronID` order for projections, a layer's biases
/// behind its weights; within an entry rows ascend and each row is contiguous.
public struct TrainableRows: Sendable {
    /// The trained rows of one parameter.
    public struct Entry: Sendable {
        /// Index into `LanguageModel.parameters`.
        public let parameter: Int
        /// Ascending row numbers; nil means every row.
        public let rows: [Int32]?
        /// How many rows that is.
        public let rowCount: Int
        /// Values of a row.
        public let columns: Int
        /// First float of the entry in the packed buffer.
        public let offset: Int
        /// Floats of the entry.
        public var count: Int { rowCount * columns }
    }

    /// In the order of the packed buffer.
    public let entries: [Entry]
    /// Floats of the packed buffer.
    public let count: Int

    /// - Parameters:
    ///   - selection: `(parameter index, rows or nil for all)`; sorted by parameter index, each at most once.
    ///   - parameters: those of the model.
    public init(selection: [(parameter: Int, rows: [Int32]?)], parameters: [Parameter]) {
        var entries: [Entry] = []
        var offset = 0
        var previous = -1
        for (index, rows) in selection {
            precondition(index > previous, "TrainableRows: parameters out of order")
            previous = index
            let parameter = parameters[index]
            let rowCount = rows?.count ?? parameter.rows
            guard rowCount > 0 else { continue }
            entries.append(
                Entry(parameter: index, rows: rows, rowCount: rowCount, columns: parameter.columns, offset: offset))
            offset += rowCount * parameter.columns
        }
        self.entries = entries
        count = offset
    }
}

/// A causal language model that can be trained and can generate. One file per architecture conforms.
///
/// Not thread-safe: one caller at a time. Deterministic: the same batch gives the same bits whatever `threads` is.
public protocol LanguageModel: AnyObject {
    /// Every weight, projections in `NeuronID` order first (layer, projection), a layer's biases behind its weights, then
    /// the others, then LoRA's factors.
    var parameters: [Parameter] { get }
    /// Number of blocks.
    var layerCount: Int { get }
    /// Number of tokens, `V`.
    var vocabularySize: Int { get }
    /// Longest sequence the model was made for, in tokens.
    var contextLength: Int { get }
    /// Everything that, besides the tensors, decides what the model computes; part of the base hash.
    var canonicalConfiguration: String { get }

    /// Forward only: the negative log-likelihood in nats of each target, written to `losses` `[batch.targetCount]`.
    func evaluate(_ batch: PackedBatch, losses: UnsafeMutableBufferPointer<Float>)

    /// Forward only. Hands the outputs `x Wᵀ + b` of every projection to `visit`, `[batch.tokenCount, rows]` in the order of the
    /// batch's tokens: before rotary embedding, activation function and residual sum. They are valid during the call.
    /// Layers ascend, and projections within a layer.
    func observe(
        _ batch: PackedBatch, _ visit: (_ layer: Int, _ projection: Projection, _ outputs: UnsafePointer<Float>) -> Void
    )

    /// Forward and backward. Writes (does not accumulate) into `gradient` `[trainable.count]` the gradient of
    /// `lossScale · Σ losses`, and returns `Σ losses` in nats, unscaled.
    func forwardBackward(
        _ batch: PackedBatch, trainable: TrainableRows, lossScale: Float,
        gradient: UnsafeMutableBufferPointer<Float>
    ) -> Double

    /// The same, and says while it works which weights it is about to use and which gradients will not change any more.
    /// - Parameters:
    ///   - batch: the rows.
    ///   - trainable: which rows get a gradient.
    ///   - lossScale: what the losses are multiplied with.
    ///   - gradient: `[trainable.count]`, overwritten.
    ///   - beforeLayer: called with `layer` before a weight of that layer is read for the first time, with -1 before the
    ///     embedding is, and with `layerCount` before the final norm and the head are and before anything is written to
    ///     `gradient`. Layers ascend; it may be called for some of them, but always with `layerCount`: weights of layers
    ///     up to `layer` must then be in place, those of higher ones may still change.
    ///   - onLayerGradient: when it is called with `layer`, the gradients of all projections, biases and norms of `layer` and
    ///     the layers above are in place, and with `layerCount` those of the final norm and of a head of its own. Layers
    ///     descend; it may be called for some of them, or never.
    func forwardBackward(
        _ batch: PackedBatch, trainable: TrainableRows, lossScale: Float,
        gradient: UnsafeMutableBufferPointer<Float>, beforeLayer: (_ layer: Int) -> Void,
        onLayerGradient: (_ layer: Int) -> Void
    ) -> Double

    /// Logits at `positions` (indices into the batch's tokens), written to `logits` `[positions.count, V]`.
    func logits(_ batch: PackedBatch, positions: [Int32], into logits: UnsafeMutableBufferPointer<Float>)

    /// Greedy continuation of each prompt until one of `endTokens` or `maxNewTokens`; end tokens are not returned.
    /// The result of a prompt does not depend on the others beyond floating-point rounding of the batch shape.
    func generateGreedy(prompts: [[Int32]], maxNewTokens: Int, endTokens: Set<Int32>) -> [[Int32]]
}

extension LanguageModel {
    /// For models that say nothing while they work: `beforeLayer` is called once, with `layerCount`.
    public func forwardBackward(
        _ batch: PackedBatch, trainable: TrainableRows, lossScale: Float,
        gradient: UnsafeMutableBufferPointer<Float>, beforeLayer: (_ layer: Int) -> Void,
        onLayerGradient: (_ layer: Int) -> Void
    ) -> Double {
        beforeLayer(layerCount)
        return forwardBackward(batch, trainable: trainable, lossScale: lossScale, gradient: gradient)
    }
}
