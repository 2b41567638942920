import Kernels

/// The activations of one packed batch: one arena for what the backward pass needs and for scratch.
///
/// Grows to the largest batch seen and is then reused; pages are made resident only when written.
final class Workspace {
    private let configuration: DecoderConfiguration
    private let threads: Int
    private let packsOperands: Bool
    private var storage = TensorStorage(count: 0)
    /// Whether layers keep only their inputs, and backward passes compute the rest again.
    var keepsInputsOnly = false {
        didSet { if keepsInputsOnly != oldValue { capacity = (0, 0, 0, 0, 0, 0) } }
    }
    private var capacity = (tokens: 0, slots: 0, targets: 0, longestRow: 0, gathered: 0, prefixGradients: 0)

    /// What one layer keeps for its backward pass; all layers share everything but `input` where `keepsInputsOnly`.
    struct Slot {
        /// Input of the block, `[T, C]`.
        var input: UnsafeMutablePointer<Float>
        /// `1 / rms` of the two norms, `[T]` each.
        var inverseRMS1: UnsafeMutablePointer<Float>
        var inverseRMS2: UnsafeMutablePointer<Float>
        /// Queries and keys before the norm of the heads, like `query` and `key`, and its `1 / rms`, `[T, H]` and
        /// `[T, KV]`; nothing where there are no such norms.
        var rawQuery: UnsafeMutablePointer<Float>
        var rawKey: UnsafeMutablePointer<Float>
        var inverseRMSQuery: UnsafeMutablePointer<Float>
        var inverseRMSKey: UnsafeMutablePointer<Float>
        /// Rotated queries `[T, H·D]` and keys `[T, KV·D]`, values `[T, KV·D]`.
        var query: UnsafeMutablePointer<Float>
        var key: UnsafeMutablePointer<Float>
        var value: UnsafeMutablePointer<Float>
        /// Attention output before the output projection, `[T, H·D]`, and log-sum-exp `[T, H]`.
        var attention: UnsafeMutablePointer<Float>
        var logSumExp: UnsafeMutablePointer<Float>
        /// Residual stream between attention and feed-forward network, `[T, C]`.
        var middle: UnsafeMutablePointer<Float>
        /// Outputs of the gate and up projections, `[T, F]` each.
        var gate: UnsafeMutablePointer<Float>
        var up: UnsafeMutablePointer<Float>
    }

    /// Slot 0 is for layers whose activations are not kept.
    private(set) var slots: [Slot] = []
    /// Output of the last block, `[T, C]`.
    private(set) var final: UnsafeMutablePointer<Float>
    /// Scratch: normalised input and its gradient `[T, C]`, feed-forward activations `[T, F]`, their gradient.
    private(set) var normed: UnsafeMutablePointer<Float>
    private(set) var dNormed: UnsafeMutablePointer<Float>
    private(set) var activated: UnsafeMutablePointer<Float>
    private(set) var dActivated: UnsafeMutablePointer<Float>
    private(set) var dGate: UnsafeMutablePointer<Float>
    /// Gradient of the residual stream, `[T, C]`.
    private(set) var dResidual: UnsafeMutablePointer<Float>
    private(set) var dAttention: UnsafeMutablePointer<Float>
    private(set) var dQuery: UnsafeMutablePointer<Float>
    private(set) var dKey: UnsafeMutablePointer<Float>
    private(set) var dValue: UnsafeMutablePointer<Float>
    /// Columns of an output gradient that belong to selected neurons, `[T, k]`.
    private(set) var gathered: UnsafeMutablePointer<Float>
    /// Hidden states at the targets: raw, normalised, and their gradients, `[n, C]`; `1 / rms`, losses `[n]`.
    private(set) var targetHidden: UnsafeMutablePointer<Float>
    private(set) var targetNormed: UnsafeMutablePointer<Float>
    private(set) var dTargetNormed: UnsafeMutablePointer<Float>
    private(set) var dTargetHidden: UnsafeMutablePointer<Float>
    private(set) var targetInverseRMS: UnsafeMutablePointer<Float>
    private(set) var losses: UnsafeMutablePointer<Float>
    /// Logits of one chunk of targets, `[headChunk, V]`.
    private(set) var logits: UnsafeMutablePointer<Float>
    /// Scores of the attention kernels, `attentionScratchStride` floats per worker.
    private(set) var attentionScratch: UnsafeMutablePointer<Float>
    private(set) var attentionScratchStride = 0
    /// Each row's gradients of shared keys and values, see `attentionBackward`.
    private(set) var prefixGradients: UnsafeMutablePointer<Float>
    /// The left operand of a product in bfloat16: activations, or gradients of logits.
    private var packed: UnsafeMutablePointer<Float>
    var packedWords: UnsafeMutablePointer<BFloat16Bits> {
        UnsafeMutableRawPointer(packed).assumingMemoryBound(to: BFloat16Bits.self)
    }
    /// Positions of the batch's tokens, `[T]`.
    private(set) var positions: [Int32] = []

    /// Logits exist for at most this many targets at once: `[512, V]` is 100 MB at a vocabulary of 49,152.
    static let headChunk = 512

    /// `packsOperands`: whether products are computed in bfloat16.
    init(configuration: DecoderConfiguration, threads: Int, packsOperands: Bool) {
        self.configuration = configuration
        self.threads = threads
        self.packsOperands = packsOperands
        let nothing = storage.pointer
        final = nothing
        normed = nothing
        dNormed = nothing
        activated = nothing
        dActivated = nothing
        dGate = nothing
        dResidual = nothing
        dAttention = nothing
        dQuery = nothing
        dKey = nothing
        dValue = nothing
        gathered = nothing
        targetHidden = nothing
        targetNormed = nothing
        dTargetNormed = nothing
        dTargetHidden = nothing
        targetInverseRMS = nothing
        losses = nothing
        logits = nothing
        attentionScratch = nothing
        prefixGradients = nothing
        packed = nothing
    }

    /// Makes room for a batch. `keptLayers` layers keep their activations; `gathered` is the most selected rows of
    /// any projection.
    func reserve(
        tokens: Int, keptLayers: Int, targets: Int, longestRow: Int, gathered gatheredColumns: Int = 0,
        prefixGradients prefixCount: Int = 0
    ) {
        let need = (tokens, keptLayers + 1, targets, longestRow, gatheredColumns, prefixCount)
        if need.0 <= capacity.tokens && need.1 <= capacity.slots && need.2 <= capacity.targets
            && need.3 <= capacity.longestRow && need.4 <= capacity.gathered && need.5 <= capacity.prefixGradients
        {
            return
        }
        func grown(_ value: Int, _ old: Int, step: Int) -> Int { max(old, (value + step - 1) / step * step) }
        capacity = (
            grown(need.0, capacity.tokens, step: 128), max(need.1, capacity.slots),
            grown(need.2, capacity.targets, step: 64), grown(need.3, capacity.longestRow, step: 64),
            max(need.4, capacity.gathered), grown(need.5, capacity.prefixGradients, step: 4096)
        )
        // Two passes over the same plan: the first measures, the second hands out.
        var measured = 0
        plan { count in
            measured += (count + 15) / 16 * 16
            return storage.pointer
        }
        slots = []
        storage = TensorStorage(count: 0)
        storage = TensorStorage(count: measured)
        var next = storage.pointer
        plan { count in
            defer { next += (count + 15) / 16 * 16 }
            return next
        }
    }

    /// Floats that `reserve` would take, for plans.
    func floats(tokens: Int, keptLayers: Int, targets: Int, longestRow: Int, gathered: Int) -> Int {
        let before = capacity
        defer { capacity = before }
        capacity = (tokens, keptLayers + 1, targets, longestRow, gathered, 0)
        var measured = 0
        plan { count in
            measured += (count + 15) / 16 * 16
            return storage.pointer
        }
        return measured
    }

    private func plan(_ take: (Int) -> UnsafeMutablePointer<Float>) {
        let c = configuration
        let (T, C, F) = (capacity.tokens, c.hiddenSize, c.intermediateSize)
        let (Q, KV, n) = (c.queryWidth, c.kvWidth, capacity.targets)
        let heads = c.hasHeadNorms ? T : 0
        slots = []
        for _ in 0..<capacity.slots {
            if keepsInputsOnly, var slot = slots.first {
                slot.input = take(T * C)
                slots.append(slot)
                continue
            }
            let slot = Slot(
                input: take(T * C), inverseRMS1: take(T), inverseRMS2: take(T), rawQuery: take(heads * Q),
                rawKey: take(heads * KV), inverseRMSQuery: take(heads * c.headCount),
                inverseRMSKey: take(heads * c.kvHeadCount), query: take(T * Q), key: take(T * KV),
                value: take(T * KV), attention: take(T * Q), logSumExp: take(T * c.headCount), middle: take(T * C),
                gate: take(T * F), up: take(T * F))
            slots.append(slot)
        }
        final = take(T * C)
        normed = take(T * C)
        dNormed = take(T * C)
        activated = take(T * F)
        dActivated = take(T * F)
        dGate = take(T * F)
        dResidual = take(T * C)
        dAttention = take(T * Q)
        dQuery = take(T * Q)
        dKey = take(T * KV)
        dValue = take(T * KV)
        gathered = take(T * capacity.gathered)
        targetHidden = take(n * C)
        targetNormed = take(n * C)
        dTargetNormed = take(n * C)
        dTargetHidden = take(n * C)
        targetInverseRMS = take(n)
        losses = take(n)
        logits = take(min(n, Self.headChunk) * c.vocabularySize)
        attentionScratchStride = attentionScratchCount(longestRow: capacity.longestRow)
        attentionScratch = take(attentionScratchStride * threads)
        prefixGradients = take(capacity.prefixGradients)
        packed = take(packsOperands ? packedFloats : 0)
    }

    private var packedFloats: Int {
        let c = configuration
        let widest = max(c.hiddenSize, c.intermediateSize, c.queryWidth)
        let words = max(
            PackedOperand.wordCount(m: capacity.tokens, k: widest),
            PackedOperand.wordCount(m: min(capacity.targets, Self.headChunk), k: c.hiddenSize),
            PackedOperand.partWordCount(m: min(capacity.targets, Self.headChunk), k: c.vocabularySize))
        return (words + 1) / 2
    }

    func setPositions(prefix: Int, rowStarts: [Int32]) {
        positions.removeAll(keepingCapacity: true)
        let prefix = Int32(prefix)
        positions.append(contentsOf: 0..<prefix)
        for row in 0..<rowStarts.count - 1 {
            positions.append(contentsOf: prefix..<prefix + rowStarts[row + 1] - rowStarts[row])
        }
    }

    func setPositions(_ values: [Int32]) { positions = values }
}
