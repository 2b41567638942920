/// The sizes and constants of a decoder-only transformer with RMSNorm, rotary positions, grouped-query attention and
/// a SwiGLU feed-forward network: what `Decoder` needs to know.
public struct DecoderConfiguration: Sendable, Equatable {
    /// Values of a token between blocks.
    public var hiddenSize: Int
    /// Feed-forward neurons of a block.
    public var intermediateSize: Int
    /// Number of blocks.
    public var layerCount: Int
    /// Query heads.
    public var headCount: Int
    /// Key and value heads, a divisor of `headCount`.
    public var kvHeadCount: Int
    /// Values of a head.
    public var headDim: Int
    /// Number of tokens.
    public var vocabularySize: Int
    /// Longest sequence the model was made for, in tokens; where a layer attends to a window only, at most the window,
    /// inside which there is no difference.
    public var contextLength: Int
    /// Base of the rotary positions' angles.
    public var ropeTheta: Double
    /// What each rotary frequency is divided by, `[headDim / 2]`; empty where they are not scaled.
    public var ropeDivisors: [Double]
    /// Added to the mean square in RMSNorm.
    public var rmsNormEps: Float
    /// The output head is the embedding matrix.
    public var tiedHead: Bool
    /// The projections that add a bias, in order.
    public var biasedProjections: [Projection]
    /// Every head's query and key is normalised before the rotation.
    public var hasHeadNorms: Bool

    /// Sizes and constants as they are named.
    public init(
        hiddenSize: Int, intermediateSize: Int, layerCount: Int, headCount: Int, kvHeadCount: Int, headDim: Int,
        vocabularySize: Int, contextLength: Int, ropeTheta: Double, ropeDivisors: [Double] = [], rmsNormEps: Float,
        tiedHead: Bool, biasedProjections: [Projection] = [], hasHeadNorms: Bool = false
    ) {
        self.hiddenSize = hiddenSize
        self.intermediateSize = intermediateSize
        self.layerCount = layerCount
        self.headCount = headCount
        self.kvHeadCount = kvHeadCount
        self.headDim = headDim
        self.vocabularySize = vocabularySize
        self.contextLength = contextLength
        self.ropeTheta = ropeTheta
        self.ropeDivisors = ropeDivisors
        self.rmsNormEps = rmsNormEps
        self.tiedHead = tiedHead
        self.biasedProjections = biasedProjections
        self.hasHeadNorms = hasHeadNorms
    }

    /// Width of the query and of the attention output, `headCount · headDim`.
    public var queryWidth: Int { headCount * headDim }
    /// Width of the keys and of the values, `kvHeadCount · headDim`.
    public var kvWidth: Int { kvHeadCount * headDim }

    /// Values of a neuron: its row and, if it has one, its bias.
    public func neuronValues(of projection: Projection) -> Int {
        shape(of: projection)[1] + (biasedProjections.contains(projection) ? 1 : 0)
    }

    /// `[out, in]` of a projection.
    public func shape(of projection: Projection) -> [Int] {
        switch projection {
        case .query: [queryWidth, hiddenSize]
        case .key, .value: [kvWidth, hiddenSize]
        case .output: [hiddenSize, queryWidth]
        case .gate, .up: [intermediateSize, hiddenSize]
        case .down: [hiddenSize, intermediateSize]
        }
    }
}
