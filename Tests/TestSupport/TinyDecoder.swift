import Checkpoints
import Datasets
import Kernels
import Models

/// What a tiny decoder has beside what Llama has.
public enum TinyForm: Sendable, CaseIterable {
    case llama
    /// Biases of q, k and v.
    case biased
    /// Norms of the heads, wider heads than the hidden size needs, and scaled rotary frequencies.
    case headNorms
}

/// A decoder of a few thousand parameters with repeatable random weights; no files involved.
/// - Parameters:
///   - compute: `.bfloat16` multiplies with rounded copies of the weights.
///   - isHalfOnly: the model has only these copies, as from a checkpoint in bfloat16.
public func makeTinyDecoder(
    _ form: TinyForm = .llama, layers: Int = 3, tied: Bool = true, threads: Int = 1, seed: UInt64 = 1,
    compute: ComputeType = .float32,
    isHalfOnly: Bool = false,
    adjust: (_ name: String, _ weights: UnsafeMutableBufferPointer<Float>) -> Void = { _, _ in }
) -> Decoder {
    let configuration = DecoderConfiguration(
        hiddenSize: 48, intermediateSize: 80, layerCount: layers, headCount: 6, kvHeadCount: 2,
        headDim: form == .headNorms ? 12 : 8, vocabularySize: 67, contextLength: 256, ropeTheta: 10_000,
        ropeDivisors: form == .headNorms ? [1, 1, 1.5, 3, 4, 4] : [], rmsNormEps: 1e-5, tiedHead: tied,
        biasedProjections: form == .biased ? [.query, .key, .value] : [], hasHeadNorms: form == .headNorms)
    var next = seed
    return Decoder(architecture: "llama", configuration: configuration, team: WorkerTeam(threads: threads)) {
        (name: String, shape: [Int]) -> FloatTensor in
        let count = shape.reduce(1, *)
        let storage = TensorStorage(count: count)
        next += 1
        let values = randomFloats(count, seed: next, scale: shape.count == 1 ? 0.3 : 0.25)
        let isNorm = shape.count == 1 && !name.hasSuffix(".bias")
        for i in 0..<count { storage.pointer[i] = values[i] + (isNorm ? 1 : 0) }
        adjust(name, storage.buffer)
        let single = FloatTensor(name: name, shape: shape, pointer: storage.pointer, owner: storage)
        guard compute == .bfloat16, shape.count > 1 else { return single }
        let half = HalfTensor(rounding: single)
        return FloatTensor(name: name, shape: shape, half: half, exact: isHalfOnly ? nil : single)
    }
}

/// Rows of random tokens; about two thirds of each row's tokens are targets.
public func makeRows(
    lengths: [Int], vocabulary: Int = 67, seed: UInt64 = 9
) -> [(tokens: [Int32], isTarget: [Bool])] {
    var random = TestRandom(seed)
    return lengths.map { length in
        (
            (0..<length).map { _ in Int32.random(in: 0..<Int32(vocabulary), using: &random) },
            (0..<length).map { $0 > length / 3 }
        )
    }
}

public func makeBatch(lengths: [Int], vocabulary: Int = 67, seed: UInt64 = 9) -> PackedBatch {
    PackedBatch(rows: makeRows(lengths: lengths, vocabulary: vocabulary, seed: seed))
}

extension LanguageModel {
    /// Every tensor, every row.
    public var allTrainable: TrainableRows {
        TrainableRows(selection: parameters.indices.map { ($0, nil) }, parameters: parameters)
    }

    /// `forwardBackward` into an array.
    public func gradients(
        _ batch: PackedBatch, trainable: TrainableRows, lossScale: Float
    ) -> (loss: Double, gradient: [Float]) {
        var gradient = [Float](repeating: .nan, count: trainable.count)
        let loss = gradient.withUnsafeMutableBufferPointer {
            forwardBackward(batch, trainable: trainable, lossScale: lossScale, gradient: $0)
        }
        return (loss, gradient)
    }

    /// `evaluate` into an array.
    public func losses(_ batch: PackedBatch) -> [Float] {
        var losses = [Float](repeating: .nan, count: batch.targetCount)
        losses.withUnsafeMutableBufferPointer { evaluate(batch, losses: $0) }
        return losses
    }

    /// `logits` into an array.
    public func logits(_ batch: PackedBatch, positions: [Int32]) -> [Float] {
        var values = [Float](repeating: .nan, count: positions.count * vocabularySize)
        values.withUnsafeMutableBufferPointer { logits(batch, positions: positions, into: $0) }
        return values
    }
}
