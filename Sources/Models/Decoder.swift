import Checkpoints
import Datasets
import Kernels

/// A decoder-only transformer (pre-norm, RoPE, grouped-query attention, SwiGLU) in fp32: the engine under every
/// architecture of this shape. `Llama.swift` and its like only say where the sizes and the weights come from.
public final class Decoder: LanguageModel {
    /// Pointers to one block's weights, `[out, in]` each.
    struct Layer {
        var projections: [UnsafeMutablePointer<Float>]
        var attentionNorm: UnsafeMutablePointer<Float>
        var feedForwardNorm: UnsafeMutablePointer<Float>

        subscript(projection: Projection) -> UnsafeMutablePointer<Float> { projections[projection.rawValue] }
    }

    public let configuration: DecoderConfiguration
    public let parameters: [Parameter]
    public let canonicalConfiguration: String
    public let team: WorkerTeam

    let layers: [Layer]
    let embedding: UnsafeMutablePointer<Float>
    let finalNorm: UnsafeMutablePointer<Float>
    let head: UnsafeMutablePointer<Float>
    let workspace: Workspace
    let attentionShape: AttentionShape
    /// Index into `parameters` of the first norm; see `normIndex`.
    let embeddingIndex: Int
    let headIndex: Int
    var ropeTable: RoPETable

    public var layerCount: Int { configuration.layerCount }
    public var vocabularySize: Int { configuration.vocabularySize }
    public var contextLength: Int { configuration.contextLength }

    /// - Parameters:
    ///   - architecture: name that, with the sizes, enters the base hash, for example `llama`.
    ///   - tensor: gives the tensor of a Hugging Face name and shape.
    public init<Failure: Error>(
        architecture: String, configuration c: DecoderConfiguration, team: WorkerTeam,
        tensor: (_ name: String, _ shape: [Int]) throws(Failure) -> FloatTensor
    ) throws(Failure) {
        configuration = c
        self.team = team
        var parameters: [Parameter] = []
        var layers: [Layer] = []
        for layer in 0..<c.layerCount {
            var pointers: [UnsafeMutablePointer<Float>] = []
            for projection in Projection.allCases {
                let name = Self.tensorName(layer: layer, projection)
                let weight = try tensor(name, c.shape(of: projection))
                parameters.append(Parameter(tensor: weight, role: .projection(layer: layer, projection)))
                pointers.append(weight.pointer)
            }
            layers.append(Layer(projections: pointers, attentionNorm: pointers[0], feedForwardNorm: pointers[0]))
        }
        embeddingIndex = parameters.count
        let embedding = try tensor("model.embed_tokens.weight", [c.vocabularySize, c.hiddenSize])
        parameters.append(Parameter(tensor: embedding, role: .embedding))
        for layer in 0..<c.layerCount {
            let first = try tensor("model.layers.\(layer).input_layernorm.weight", [c.hiddenSize])
            let second = try tensor("model.layers.\(layer).post_attention_layernorm.weight", [c.hiddenSize])
            parameters.append(Parameter(tensor: first, role: .norm(layer: layer)))
            parameters.append(Parameter(tensor: second, role: .norm(layer: layer)))
            layers[layer].attentionNorm = first.pointer
            layers[layer].feedForwardNorm = second.pointer
        }
        let finalNorm = try tensor("model.norm.weight", [c.hiddenSize])
        parameters.append(Parameter(tensor: finalNorm, role: .norm(layer: nil)))
        if c.tiedHead {
            headIndex = embeddingIndex
            head = embedding.pointer
        } else {
            headIndex = parameters.count
            let weight = try tensor("lm_head.weight", [c.vocabularySize, c.hiddenSize])
            parameters.append(Parameter(tensor: weight, role: .head))
            head = weight.pointer
        }
        self.embedding = embedding.pointer
        self.finalNorm = finalNorm.pointer
        self.layers = layers
        self.parameters = parameters
        workspace = Workspace(configuration: c, threads: team.threads)
        attentionShape = AttentionShape(heads: c.headCount, kvHeads: c.kvHeadCount, headDim: c.headDim)
        ropeTable = RoPETable(length: 256, headDim: c.headDim, base: c.ropeTheta)
        canonicalConfiguration = """
            architecture=\(architecture) hidden=\(c.hiddenSize) intermediate=\(c.intermediateSize) \
            layers=\(c.layerCount) heads=\(c.headCount) kvHeads=\(c.kvHeadCount) headDim=\(c.headDim) \
            vocabulary=\(c.vocabularySize) ropeTheta=\(c.ropeTheta) rmsNormEps=\(c.rmsNormEps) tied=\(c.tiedHead)
            """
    }

    /// Hugging Face name of a projection's weight.
    public static func tensorName(layer: Int, _ projection: Projection) -> String {
        let module =
            switch projection {
            case .query: "self_attn.q_proj"
            case .key: "self_attn.k_proj"
            case .value: "self_attn.v_proj"
            case .output: "self_attn.o_proj"
            case .gate: "mlp.gate_proj"
            case .up: "mlp.up_proj"
            case .down: "mlp.down_proj"
            }
        return "model.layers.\(layer).\(module).weight"
    }

    func parameterIndex(layer: Int, _ projection: Projection) -> Int {
        layer * Projection.allCases.count + projection.rawValue
    }
    /// Index of a block's norm weights, `second` for the one before the feed-forward network.
    func normIndex(layer: Int, second: Bool) -> Int { embeddingIndex + 1 + 2 * layer + (second ? 1 : 0) }
    var finalNormIndex: Int { embeddingIndex + 1 + 2 * configuration.layerCount }

    /// Makes room for a batch and computes its positions. With `gathered` given, room for a backward pass too.
    func prepare(_ batch: PackedBatch, keptLayers: Int = 0, targets: Int, gathered: Int? = nil) {
        workspace.reserve(
            tokens: batch.tokenCount, keptLayers: keptLayers, targets: targets, longestRow: batch.longestRow,
            gathered: gathered ?? 0,
            prefixGradients: gathered == nil
                ? 0 : attentionPrefixCount(rows: batch.rowCount, prefix: batch.prefixCount, shape: attentionShape))
        workspace.setPositions(prefix: batch.prefixCount, rowStarts: batch.rowStarts)
        extendRoPE(to: batch.longestRow)
    }

    /// Floats of activations and scratch for a step with one batch of this shape, all layers trained.
    /// - Parameter selectedRows: the most of any projection.
    public static func workspaceFloats(
        _ configuration: DecoderConfiguration, threads: Int, tokens: Int, targets: Int, longestRow: Int,
        selectedRows: Int
    ) -> Int {
        Workspace(configuration: configuration, threads: threads).floats(
            tokens: tokens, keptLayers: configuration.layerCount, targets: targets, longestRow: longestRow,
            gathered: selectedRows)
    }

    func extendRoPE(to length: Int) {
        guard length > ropeTable.length else { return }
        ropeTable = RoPETable(
            length: max(length, ropeTable.length * 2), headDim: configuration.headDim, base: configuration.ropeTheta)
    }
}
