import Datasets
import Kernels

extension Decoder {
    /// As `LanguageModel` says. The same bits for any number of threads.
    public func forwardBackward(
        _ batch: PackedBatch, trainable: TrainableRows, lossScale: Float,
        gradient: UnsafeMutableBufferPointer<Float>
    ) -> Double {
        forwardBackward(
            batch, trainable: trainable, lossScale: lossScale, gradient: gradient, beforeLayer: { _ in },
            onLayerGradient: { _ in })
    }

    /// As `LanguageModel` says. The same bits for any number of threads.
    public func forwardBackward(
        _ batch: PackedBatch, trainable: TrainableRows, lossScale: Float,
        gradient: UnsafeMutableBufferPointer<Float>, beforeLayer: (_ layer: Int) -> Void,
        onLayerGradient: (_ layer: Int) -> Void
    ) -> Double {
        precondition(gradient.count == trainable.count, "forwardBackward: gradient of \(gradient.count) floats")
        guard batch.targetCount > 0, let gradient = gradient.baseAddress else {
            beforeLayer(layerCount)
            gradient.update(repeating: 0)
            return 0
        }
        let pass = BackwardPass(self, trainable: trainable, gradient: gradient)
        adapters?.dropoutSeed = batch.seed
        defer { adapters?.dropoutSeed = nil }
        prepare(batch, keptLayers: layerCount - pass.lowestLayer, targets: batch.targetCount, gathered: pass.mostRows)
        forward(batch, keepFrom: pass.lowestLayer, beforeLayer: beforeLayer)
        beforeLayer(layerCount)
        let start = team.timeline.mark
        pass.head(batch, lossScale: lossScale)
        team.timeline.note("head and loss", since: start)
        onLayerGradient(layerCount)
        for layer in stride(from: layerCount - 1, through: pass.lowestLayer, by: -1) {
            pass.block(layer, batch)
            onLayerGradient(layer)
        }
        pass.embedding(batch)
        var sum = 0.0
        for i in 0..<batch.targetCount { sum += Double(workspace.losses[i]) }
        return sum
    }
}

/// One backward pass: where each trainable tensor's gradient goes, and how far down gradients are needed.
private struct BackwardPass {
    let model: Decoder
    let trainable: TrainableRows
    let gradient: UnsafeMutablePointer<Float>
    /// Entry of `trainable` for each parameter, or nil.
    let entryOf: [TrainableRows.Entry?]
    /// No layer below it is trained; `layerCount` when only the head or the final norm is.
    let lowestLayer: Int
    let trainsEmbedding: Bool
    /// Most selected rows of any projection.
    let mostRows: Int
    /// By layer and projection: where the gradients of LoRA's factors go, if they are trained.
    private let lowRank: [[(a: UnsafeMutablePointer<Float>, b: UnsafeMutablePointer<Float>)?]]

    init(_ model: Decoder, trainable: TrainableRows, gradient: UnsafeMutablePointer<Float>) {
        self.model = model
        self.trainable = trainable
        self.gradient = gradient
        var entryOf: [TrainableRows.Entry?] = Array(repeating: nil, count: model.parameters.count)
        var lowest = model.layerCount
        var mostRows = 0
        var trainsEmbedding = false
        for entry in trainable.entries {
            entryOf[entry.parameter] = entry
            if entry.rows != nil { mostRows = max(mostRows, entry.rowCount) }
            switch model.parameters[entry.parameter].role {
            case .projection(let layer, _), .bias(let layer, _), .headNorm(let layer, _), .lowRankA(let layer, _),
                .lowRankB(let layer, _):
                lowest = min(lowest, layer)
            case .norm(let layer?): lowest = min(lowest, layer)
            case .norm(nil), .head: break
            case .embedding:
                precondition(entry.rows == nil, "the embedding is trained as a whole or not at all")
                lowest = 0
                trainsEmbedding = true
            }
        }
        self.entryOf = entryOf
        var factors: [[(a: UnsafeMutablePointer<Float>, b: UnsafeMutablePointer<Float>)?]] = []
        if model.adapters != nil {
            factors = Array(repeating: Array(repeating: nil, count: Projection.allCases.count), count: model.layerCount)
        }
        for (index, parameter) in model.parameters.enumerated() {
            guard case .lowRankA(let layer, let projection) = parameter.role else { continue }
            guard let a = entryOf[index], let b = entryOf[index + 1] else { continue }
            factors[layer][projection.rawValue] = (gradient + a.offset, gradient + b.offset)
        }
        lowRank = factors
        lowestLayer = lowest
        self.trainsEmbedding = trainsEmbedding
        self.mostRows = mostRows
    }

    /// Loss and logits at the targets; leaves the gradient of the last block's output in `dResidual`.
    func head(_ batch: PackedBatch, lossScale: Float) {
        let (w, team, C, V) = (model.workspace, model.team, model.configuration.hiddenSize, model.vocabularySize)
        let n = batch.targetCount
        model.normTargets(batch.targetPositions)
        let dHead = entryOf[model.headIndex].map { gradient + $0.offset }
        precondition(entryOf[model.headIndex]?.rows == nil, "the head is trained as a whole or not at all")
        batch.targetTokens.withUnsafeBufferPointer { targets in
            model.forEachHeadChunk(of: n) { chunk in
                let normed = w.targetNormed + chunk.lowerBound * C
                model.projectHead(normed, into: w.logits, n: chunk.count)
                crossEntropy(
                    team, losses: w.losses + chunk.lowerBound, logits: w.logits,
                    targets: targets.baseAddress! + chunk.lowerBound, n: chunk.count, V: V, gradientScale: lossScale)
                model.projectHeadBackward(w.logits, into: w.dTargetNormed + chunk.lowerBound * C, n: chunk.count)
                if let dHead {
                    team.gemm(
                        .tn, m: V, n: C, k: chunk.count, w.logits, normed, dHead, accumulate: chunk.lowerBound > 0)
                }
            }
        }
        if let entry = entryOf[model.finalNormIndex] {
            rmsNormBackwardWeight(
                team, dWeight: gradient + entry.offset, dOut: w.dTargetNormed, inverseRMS: w.targetInverseRMS,
                x: w.targetHidden, T: n, C: C)
        }
        guard lowestLayer < model.layerCount else { return }
        w.dTargetHidden.update(repeating: 0, count: n * C)
        rmsNormBackward(
            team, dX: w.dTargetHidden, dOut: w.dTargetNormed, inverseRMS: w.targetInverseRMS, x: w.targetHidden,
            weight: model.finalNorm, T: n, C: C)
        w.dResidual.update(repeating: 0, count: batch.tokenCount * C)
        scatterAddRows(
            team, destination: w.dResidual, source: w.dTargetHidden, rows: batch.targetPositions, n: n, C: C)
    }

    /// One block: turns `dResidual` from the gradient of its output into that of its input, as far as it is needed.
    func block(_ l: Int, _ batch: PackedBatch) {
        let (w, team, c) = (model.workspace, model.team, model.configuration)
        let (T, C, F) = (batch.tokenCount, c.hiddenSize, c.intermediateSize)
        let (layer, s) = (model.layers[l], model.slot(l, lowestLayer))
        // The last block's activations are still those of the forward pass.
        if model.recomputes, l + 1 < model.layerCount {
            model.runBlock(l, s, T: T, into: nil) { model.attend(batch, $1) }
        }
        let isLowest = l == lowestLayer

        // Feed-forward network.
        let start = team.timeline.mark
        if trains(l, .down) {
            swiGLUForward(team, out: w.activated, gate: s.gate, up: s.up, T: T, F: F)
            weightGradient(l, .down, dOut: w.dResidual, x: w.activated, T: T)
        }
        let below = !isLowest || trainsEmbedding
        let attentionNeeded =
            below || trains(l, .output) || trains(l, .query) || trains(l, .key) || trains(l, .value)
            || trainsHeadNorms(l) || entryOf[model.normIndex(layer: l, second: false)] != nil
        let secondNorm = entryOf[model.normIndex(layer: l, second: true)]
        if attentionNeeded || trains(l, .gate) || trains(l, .up) || secondNorm != nil {
            model.projectBackward(l, .down, w.dResidual, into: w.dActivated, T: T)
            swiGLUBackward(
                team, dGate: w.dGate, dUp: w.dActivated, dOut: w.dActivated, gate: s.gate, up: s.up, T: T, F: F)
            let dUp = w.dActivated
            if trains(l, .gate) || trains(l, .up) {
                rmsNormRecompute(
                    team, out: w.normed, inverseRMS: s.inverseRMS2, x: s.middle, weight: layer.feedForwardNorm, T: T,
                    C: C)
                weightGradient(l, .gate, dOut: w.dGate, x: w.normed, T: T)
                weightGradient(l, .up, dOut: dUp, x: w.normed, T: T)
            }
            if attentionNeeded || secondNorm != nil {
                model.projectBackward(l, .gate, w.dGate, into: w.dNormed, T: T)
                model.projectBackward(l, .up, dUp, into: w.dNormed, T: T, accumulate: true)
                if let secondNorm {
                    rmsNormBackwardWeight(
                        team, dWeight: gradient + secondNorm.offset, dOut: w.dNormed, inverseRMS: s.inverseRMS2,
                        x: s.middle, T: T, C: C)
                }
                rmsNormBackward(
                    team, dX: w.dResidual, dOut: w.dNormed, inverseRMS: s.inverseRMS2, x: s.middle,
                    weight: layer.feedForwardNorm, T: T, C: C)
            }
        }
        team.timeline.note("feed-forward backward", layer: l, since: start)
        guard attentionNeeded else { return }

        // Attention.
        let middle = team.timeline.mark
        defer { team.timeline.note("attention backward", layer: l, since: middle) }
        weightGradient(l, .output, dOut: w.dResidual, x: s.attention, T: T)
        let firstNorm = entryOf[model.normIndex(layer: l, second: false)]
        let trainsQKV = trains(l, .query) || trains(l, .key) || trains(l, .value)
        guard below || trainsQKV || trainsHeadNorms(l) || firstNorm != nil else { return }
        model.projectBackward(l, .output, w.dResidual, into: w.dAttention, T: T)
        attentionBackward(
            team, dQ: w.dQuery, dK: w.dKey, dV: w.dValue, dOut: w.dAttention, out: s.attention,
            logSumExp: s.logSumExp, q: s.query, k: s.key, v: s.value, rows: batch.attentionRows,
            shape: model.attentionShape, scratch: w.attentionScratch, scratchStride: w.attentionScratchStride,
            prefixGradients: w.prefixGradients)
        ropeInPlace(
            team, x: w.dQuery, positions: w.positions, table: model.ropeTable, T: T, heads: c.headCount, inverse: true)
        ropeInPlace(
            team, x: w.dKey, positions: w.positions, table: model.ropeTable, T: T, heads: c.kvHeadCount, inverse: true)
        if let norms = layer.headNorms {
            headNorm(l, .query, norms.query, raw: s.rawQuery, inverseRMS: s.inverseRMSQuery, w.dQuery, T: T)
            headNorm(l, .key, norms.key, raw: s.rawKey, inverseRMS: s.inverseRMSKey, w.dKey, T: T)
        }
        if trainsQKV {
            rmsNormRecompute(
                team, out: w.normed, inverseRMS: s.inverseRMS1, x: s.input, weight: layer.attentionNorm, T: T, C: C)
            weightGradient(l, .query, dOut: w.dQuery, x: w.normed, T: T)
            weightGradient(l, .key, dOut: w.dKey, x: w.normed, T: T)
            weightGradient(l, .value, dOut: w.dValue, x: w.normed, T: T)
        }
        guard below || firstNorm != nil else { return }
        model.projectBackward(l, .query, w.dQuery, into: w.dNormed, T: T)
        model.projectBackward(l, .key, w.dKey, into: w.dNormed, T: T, accumulate: true)
        model.projectBackward(l, .value, w.dValue, into: w.dNormed, T: T, accumulate: true)
        if let firstNorm {
            rmsNormBackwardWeight(
                team, dWeight: gradient + firstNorm.offset, dOut: w.dNormed, inverseRMS: s.inverseRMS1, x: s.input,
                T: T, C: C)
        }
        guard below else { return }
        rmsNormBackward(
            team, dX: w.dResidual, dOut: w.dNormed, inverseRMS: s.inverseRMS1, x: s.input, weight: layer.attentionNorm,
            T: T, C: C)
    }

    /// Turns `gradient`, `[T, heads · D]`, from that of the heads' norm into that of its input.
    private func headNorm(
        _ l: Int, _ projection: Projection, _ weight: UnsafePointer<Float>, raw: UnsafePointer<Float>,
        inverseRMS: UnsafePointer<Float>, _ dOut: UnsafeMutablePointer<Float>, T: Int
    ) {
        let (team, D, width) = (model.team, model.configuration.headDim, model.configuration.shape(of: projection)[0])
        let rows = T * width / D
        if let index = model.headNormIndex(layer: l, projection), let entry = entryOf[index] {
            rmsNormBackwardWeight(
                team, dWeight: gradient + entry.offset, dOut: dOut, inverseRMS: inverseRMS, x: raw, T: rows, C: D)
        }
        // Free since attention is done, and as wide as the queries.
        let dRaw = model.workspace.dAttention
        dRaw.update(repeating: 0, count: T * width)
        rmsNormBackward(
            team, dX: dRaw, dOut: dOut, inverseRMS: inverseRMS, x: raw, weight: weight, T: rows, C: D)
        copyRows(team, out: dOut, source: dRaw, T: T, C: width)
    }

    /// The embedding's own gradient; a tied head's part is already there.
    func embedding(_ batch: PackedBatch) {
        guard trainsEmbedding, let entry = entryOf[model.embeddingIndex] else { return }
        let dEmbedding = gradient + entry.offset
        if model.headIndex != model.embeddingIndex { dEmbedding.update(repeating: 0, count: entry.count) }
        scatterAddRows(
            model.team, destination: dEmbedding, source: model.workspace.dResidual, rows: batch.tokens,
            n: batch.tokenCount, C: model.configuration.hiddenSize)
    }

    private func trains(_ layer: Int, _ projection: Projection) -> Bool {
        entryOf[model.parameterIndex(layer: layer, projection)] != nil || biasEntry(layer, projection) != nil
            || lowRank(layer, projection) != nil
    }

    private func biasEntry(_ layer: Int, _ projection: Projection) -> TrainableRows.Entry? {
        model.biasIndex(layer: layer, projection).flatMap { entryOf[$0] }
    }

    private func trainsHeadNorms(_ layer: Int) -> Bool {
        [Projection.query, .key].contains { model.headNormIndex(layer: layer, $0).flatMap { entryOf[$0] } != nil }
    }

    private func lowRank(_ layer: Int, _ projection: Projection) -> (
        a: UnsafeMutablePointer<Float>, b: UnsafeMutablePointer<Float>
    )? { lowRank.isEmpty ? nil : lowRank[layer][projection.rawValue] }

    /// `dY[:, selected]ᵀ X` into the packed gradient: the only weight gradients that are ever computed. And the sums of
    /// these columns where the selected neurons have biases.
    private func weightGradient(
        _ layer: Int, _ projection: Projection, dOut: UnsafePointer<Float>, x: UnsafePointer<Float>, T: Int
    ) {
        if let (dA, dB) = lowRank(layer, projection) {
            model.adapters?.gradients(layer, projection, dOut: dOut, x: x, T: T, dA: dA, dB: dB)
        }
        let outputs = model.configuration.shape(of: projection)[0]
        if let bias = biasEntry(layer, projection) {
            columnSums(
                model.team, sums: gradient + bias.offset, source: dOut, columns: bias.rows, T: T, k: bias.rowCount,
                O: outputs)
        }
        guard let entry = entryOf[model.parameterIndex(layer: layer, projection)] else { return }
        let dWeight = gradient + entry.offset
        guard let rows = entry.rows else {
            model.team.gemm(.tn, m: entry.rowCount, n: entry.columns, k: T, dOut, x, dWeight)
            return
        }
        let gathered = model.workspace.gathered
        gatherColumns(model.team, out: gathered, source: dOut, columns: rows, T: T, k: rows.count, O: outputs)
        model.team.gemm(.tn, m: rows.count, n: entry.columns, k: T, gathered, x, dWeight)
    }
}
