import Collectives
import Datasets
import Kernels
import Models

/// How many feed-forward neurons of a model are inactive on rows; the same on every rank.
///
/// A neuron is inactive at a token where the magnitude of its gate after SiLU is below the threshold.
public struct ActivationSparsity: Sendable, Equatable {
    /// One block's feed-forward network.
    public struct Layer: Sendable, Equatable {
        /// Feed-forward neurons, at least 1.
        public let neurons: Int
        /// Pairs of a neuron and a token at which it is inactive.
        public let inactive: Int
        /// Neurons that are inactive at every token.
        public let silentNeurons: Int
    }

    /// Magnitude below which a neuron is inactive.
    public let threshold: Float
    /// Tokens of all rows, at least 1.
    public let tokens: Int
    /// From the first.
    public let layers: [Layer]

    /// Share of a layer's neurons that is inactive, mean over the tokens: 0 … 1.
    public func share(ofLayer layer: Int) -> Double {
        Double(layers[layer].inactive) / (Double(layers[layer].neurons) * Double(tokens))
    }
    /// The same of all layers together.
    public var share: Double {
        Double(layers.reduce(0) { $0 + $1.inactive }) / (Double(neurons) * Double(tokens))
    }
    /// Feed-forward neurons of all layers.
    public var neurons: Int { layers.reduce(0) { $0 + $1.neurons } }
    /// Of them, those that no token made active.
    public var silentNeurons: Int { layers.reduce(0) { $0 + $1.silentNeurons } }
}

extension Evaluator {
    /// Counts inactive neurons over every token of the rows, prompts and completions alike; a beginning that rows share
    /// counts for each of them. Whole numbers: exact for any number of ranks.
    ///
    /// - Parameters:
    ///   - rows: at least one.
    ///   - threshold: of the magnitude, more than 0.
    ///   - team: counts while the model does not compute.
    ///   - progress: called after each batch of this rank.
    public func sparsity(
        _ rows: [EvaluationRow], threshold: Float, team: WorkerTeam,
        progress: (EvaluationProgress) -> Void = { _ in }
    ) throws(EvaluationError) -> ActivationSparsity {
        precondition(threshold > 0, "sparsity: threshold \(threshold)")
        try checkTargets(rows)
        let widths = (0..<model.layerCount).map { layer in
            model.parameters.first { $0.role == .projection(layer: layer, .gate) }?.rows ?? 0
        }
        let firsts = widths.indices.map { widths[..<$0].reduce(0, +) }
        // Of every neuron, the tokens at which it is inactive.
        var counts = [Int](repeating: 0, count: widths.reduce(0, +))
        let dealt = DealtBatches(lengths: rows.map(\.tokens.count), maxTokens: options.batchTokens)
        let share = dealt.share(rank: communicator.rank, size: communicator.size)
        var done = 0
        for members in share {
            let batch = PackedBatch(rows: members.map { (rows[$0].tokens, rows[$0].isTarget) })
            let weights = (0..<batch.tokenCount).map { Int32($0 < batch.prefixCount ? members.count : 1) }
            counts.withUnsafeMutableBufferPointer { counts in
                model.observe(batch) { layer, projection, outputs in
                    guard projection == .gate, widths[layer] > 0, let base = counts.baseAddress else { return }
                    addInactiveCounts(
                        team, counts: base + firsts[layer], gate: outputs, weights: weights, T: batch.tokenCount,
                        F: widths[layer], threshold: threshold)
                }
            }
            done += members.count
            progress(
                EvaluationProgress(phase: .activations, done: done, total: share.reduce(0) { $0 + $1.count }))
        }
        counts = communicator.sum(counts)
        let tokens = rows.reduce(0) { $0 + $1.tokens.count }
        return ActivationSparsity(
            threshold: threshold, tokens: tokens,
            layers: zip(firsts, widths).map { first, width in
                let layer = counts[first..<first + width]
                return .init(
                    neurons: width, inactive: layer.reduce(0, +), silentNeurons: layer.count { $0 == tokens })
            })
    }
}
