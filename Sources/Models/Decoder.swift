import Checkpoints
import Datasets
import Kernels

/// In what the products of activations and weights are computed; sums, norms, softmax, loss and optimizer are in fp32.
public enum ComputeType: String, Sendable, CaseIterable {
    /// Products in single precision.
    case float32 = "fp32"
    /// Factors rounded to bfloat16, sums in single precision.
    case bfloat16 = "bf16"
}

/// A decoder-only transformer (pre-norm, RoPE, grouped-query attention, SwiGLU) in fp32: the engine under every
/// architecture of this shape. `Llama.swift` and its like only say where the sizes and the weights come from.
public final class Decoder: LanguageModel {
    /// One block's weights, projections `[out, in]`.
    struct Layer {
        var projections: [FloatTensor]
        /// By projection, `[out]`; nil where there is none.
        var biases: [UnsafeMutablePointer<Float>?]
        var attentionNorm: UnsafeMutablePointer<Float>
        var feedForwardNorm: UnsafeMutablePointer<Float>
        /// Of every head's query and key, `[headDim]`; nil where there are none.
        var headNorms: (query: UnsafeMutablePointer<Float>, key: UnsafeMutablePointer<Float>)?

        subscript(projection: Projection) -> FloatTensor { projections[projection.rawValue] }
    }

    /// Sizes and constants.
    public let configuration: DecoderConfiguration
    /// As `LanguageModel` says.
    public internal(set) var parameters: [Parameter]
    /// As `LanguageModel` says.
    public let canonicalConfiguration: String
    /// The threads it computes on.
    public let team: WorkerTeam

    /// Whether a backward pass computes each block's activations again from its input, the only one that is kept then: a
    /// third more work for much less memory. Changes no bits.
    public var recomputes: Bool {
        get { workspace.keepsInputsOnly }
        set { workspace.keepsInputsOnly = newValue }
    }
    /// LoRA, once it is attached.
    var adapters: LowRankAdapters?
    let layers: [Layer]
    let embedding: FloatTensor
    let finalNorm: UnsafeMutablePointer<Float>
    let head: FloatTensor
    let workspace: Workspace
    let attentionShape: AttentionShape
    /// Indices into `parameters`; see also `parameterIndex`, `biasIndex`, `normIndex` and `headNormIndex`.
    let embeddingIndex: Int
    let finalNormIndex: Int
    let headIndex: Int
    var ropeTable: RoPETable

    /// In what the products with weights are computed.
    public var compute: ComputeType { head.half == nil ? .float32 : .bfloat16 }
    /// Number of blocks.
    public var layerCount: Int { configuration.layerCount }
    /// Number of tokens, `V`.
    public var vocabularySize: Int { configuration.vocabularySize }
    /// Longest sequence the model was made for, in tokens.
    public var contextLength: Int { configuration.contextLength }

    /// - Parameters:
    ///   - architecture: name that, with the sizes, enters the base hash, for example `llama`.
    ///   - c: sizes and constants.
    ///   - team: the threads it computes on.
    ///   - tensor: gives the tensor of a Hugging Face name and shape. Products with those that have a `half` are computed
    ///     in bfloat16: all matrices, or none.
    public init<Failure: Error>(
        architecture: String, configuration c: DecoderConfiguration, team: WorkerTeam,
        tensor: (_ name: String, _ shape: [Int]) throws(Failure) -> FloatTensor
    ) throws(Failure) {
        configuration = c
        self.team = team
        var parameters: [Parameter] = []
        for (name, shape, role) in Self.tensors(of: c) {
            parameters.append(Parameter(tensor: try tensor(name, shape), role: role))
        }
        let (projections, norms) = (Self.projectionTensors(c), Self.normTensors(c))
        embeddingIndex = c.layerCount * projections
        finalNormIndex = embeddingIndex + 1 + norms * c.layerCount
        headIndex = c.tiedHead ? embeddingIndex : finalNormIndex + 1
        embedding = parameters[embeddingIndex].tensor
        finalNorm = parameters[finalNormIndex].tensor.pointer
        head = parameters[headIndex].tensor
        let pointers = parameters.map(\.tensor.pointer)
        let firstNorm = embeddingIndex + 1
        layers = (0..<c.layerCount).map { layer in
            let (first, norm) = (layer * projections, firstNorm + layer * norms)
            var biases: [UnsafeMutablePointer<Float>?] = Array(repeating: nil, count: Projection.allCases.count)
            for (place, projection) in c.biasedProjections.enumerated() {
                biases[projection.rawValue] = pointers[first + Projection.allCases.count + place]
            }
            return Layer(
                projections: parameters[first..<first + Projection.allCases.count].map(\.tensor), biases: biases,
                attentionNorm: pointers[norm], feedForwardNorm: pointers[norm + 1],
                headNorms: c.hasHeadNorms ? (query: pointers[norm + 2], key: pointers[norm + 3]) : nil)
        }
        self.parameters = parameters
        workspace = Workspace(configuration: c, threads: team.threads, packsOperands: head.half != nil)
        attentionShape = AttentionShape(heads: c.headCount, kvHeads: c.kvHeadCount, headDim: c.headDim)
        ropeTable = Self.ropeTable(c, length: 256)
        var canonical = """
            architecture=\(architecture) hidden=\(c.hiddenSize) intermediate=\(c.intermediateSize) \
            layers=\(c.layerCount) heads=\(c.headCount) kvHeads=\(c.kvHeadCount) headDim=\(c.headDim) \
            vocabulary=\(c.vocabularySize) ropeTheta=\(c.ropeTheta) rmsNormEps=\(c.rmsNormEps) tied=\(c.tiedHead)
            """
        if !c.ropeDivisors.isEmpty {
            // Hundredths: a GGUF file has the divisors themselves, rounded to fp32 by whoever wrote them.
            let hundredths = c.ropeDivisors.map { "\(Int(($0 * 100).rounded()))" }
            canonical += " ropeDivisors=\(hundredths.joined(separator: ","))"
        }
        if !c.biasedProjections.isEmpty {
            canonical += " biases=\(c.biasedProjections.map(\.shortName).joined(separator: ","))"
        }
        if c.hasHeadNorms { canonical += " headNorms=true" }
        canonicalConfiguration = canonical
    }

    /// Every weight tensor, in the order of `parameters`: Hugging Face name, shape, role.
    static func tensors(of c: DecoderConfiguration) -> [(name: String, shape: [Int], role: ParameterRole)] {
        var tensors: [(name: String, shape: [Int], role: ParameterRole)] = []
        for layer in 0..<c.layerCount {
            for projection in Projection.allCases {
                tensors.append(
                    (
                        tensorName(layer: layer, projection), c.shape(of: projection),
                        .projection(layer: layer, projection)
                    ))
            }
            for projection in c.biasedProjections {
                tensors.append(
                    (
                        moduleName(layer: layer, projection) + ".bias", [c.shape(of: projection)[0]],
                        .bias(layer: layer, projection)
                    ))
            }
        }
        tensors.append(("model.embed_tokens.weight", [c.vocabularySize, c.hiddenSize], .embedding))
        for layer in 0..<c.layerCount {
            for norm in ["input_layernorm", "post_attention_layernorm"] {
                tensors.append(("model.layers.\(layer).\(norm).weight", [c.hiddenSize], .norm(layer: layer)))
            }
            for (norm, projection) in c.hasHeadNorms ? [("q_norm", Projection.query), ("k_norm", .key)] : [] {
                tensors.append(
                    (
                        "model.layers.\(layer).self_attn.\(norm).weight", [c.headDim],
                        .headNorm(layer: layer, projection)
                    ))
            }
        }
        tensors.append(("model.norm.weight", [c.hiddenSize], .norm(layer: nil)))
        if !c.tiedHead { tensors.append(("lm_head.weight", [c.vocabularySize, c.hiddenSize], .head)) }
        return tensors
    }

    /// Hugging Face name of a projection's weight.
    public static func tensorName(layer: Int, _ projection: Projection) -> String {
        moduleName(layer: layer, projection) + ".weight"
    }

    /// Hugging Face name of a projection.
    public static func moduleName(layer: Int, _ projection: Projection) -> String {
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
        return "model.layers.\(layer).\(module)"
    }

    /// Tensors of a layer's projections: their weights, then their biases.
    private static func projectionTensors(_ c: DecoderConfiguration) -> Int {
        Projection.allCases.count + c.biasedProjections.count
    }
    /// Norm weights of a layer.
    private static func normTensors(_ c: DecoderConfiguration) -> Int { c.hasHeadNorms ? 4 : 2 }

    func parameterIndex(layer: Int, _ projection: Projection) -> Int {
        layer * Self.projectionTensors(configuration) + projection.rawValue
    }
    /// Index of a projection's bias; nil where it has none.
    func biasIndex(layer: Int, _ projection: Projection) -> Int? {
        configuration.biasedProjections.firstIndex(of: projection).map {
            layer * Self.projectionTensors(configuration) + Projection.allCases.count + $0
        }
    }
    /// Index of a block's norm weights, `second` for the one before the feed-forward network.
    func normIndex(layer: Int, second: Bool) -> Int {
        embeddingIndex + 1 + Self.normTensors(configuration) * layer + (second ? 1 : 0)
    }
    /// Index of the norm weights of every head's query or key; nil where there are none.
    func headNormIndex(layer: Int, _ projection: Projection) -> Int? {
        configuration.hasHeadNorms ? normIndex(layer: layer, second: true) + (projection == .query ? 1 : 2) : nil
    }

    /// Makes room for a batch and computes its positions. With `gathered` given, room for a backward pass too.
    func prepare(_ batch: PackedBatch, keptLayers: Int = 0, targets: Int, gathered: Int? = nil) {
        workspace.reserve(
            tokens: batch.tokenCount, keptLayers: keptLayers, targets: targets, longestRow: batch.longestRow,
            gathered: gathered ?? 0,
            prefixGradients: gathered == nil
                ? 0 : attentionPrefixCount(rows: batch.rowCount, prefix: batch.prefixCount, shape: attentionShape))
        adapters?.reserve(tokens: batch.tokenCount)
        workspace.setPositions(prefix: batch.prefixCount, rowStarts: batch.rowStarts)
        extendRoPE(to: batch.longestRow)
    }

    /// Floats of activations and scratch for a step with one batch of this shape, all layers trained.
    /// - Parameters:
    ///   - configuration: sizes of the model.
    ///   - compute: of the products with weights.
    ///   - recomputes: see `recomputes`.
    ///   - threads: of the team.
    ///   - tokens: of the batch.
    ///   - targets: tokens of them that are predicted.
    ///   - longestRow: most tokens that one token attends to.
    ///   - selectedRows: the most of any projection.
    public static func workspaceFloats(
        _ configuration: DecoderConfiguration, compute: ComputeType, recomputes: Bool, threads: Int, tokens: Int,
        targets: Int,
        longestRow: Int, selectedRows: Int
    ) -> Int {
        let workspace = Workspace(
            configuration: configuration, threads: threads, packsOperands: compute == .bfloat16)
        workspace.keepsInputsOnly = recomputes
        return workspace.floats(
            tokens: tokens, keptLayers: configuration.layerCount, targets: targets, longestRow: longestRow,
            gathered: selectedRows)
    }

    func extendRoPE(to length: Int) {
        guard length > ropeTable.length else { return }
        ropeTable = Self.ropeTable(configuration, length: max(length, ropeTable.length * 2))
    }

    private static func ropeTable(_ c: DecoderConfiguration, length: Int) -> RoPETable {
        RoPETable(length: length, headDim: c.headDim, base: c.ropeTheta, divisors: c.ropeDivisors)
    }
}
