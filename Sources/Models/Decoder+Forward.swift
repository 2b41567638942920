import Datasets
import Kernels

extension Decoder {
    /// Runs the blocks on `tokens`; the result is `workspace.final`. Layers from `keepFrom` on keep what their
    /// backward pass needs, in slots 1, 2, …. `attention` fills `slot.attention` from the slot's rotated q, k and v.
    /// `beforeLayer`: see `LanguageModel`; not called with `layerCount`. `observe` sees each projection's own output, see
    /// `LanguageModel.observe`.
    func runBlocks(
        tokens: [Int32], keepFrom: Int, beforeLayer: (_ layer: Int) -> Void = { _ in },
        attention: (_ layer: Int, _ slot: Workspace.Slot) -> Void,
        observe: ((_ layer: Int, Projection, UnsafePointer<Float>) -> Void)? = nil
    ) {
        beforeLayer(-1)
        embed(tokens, into: slot(0, keepFrom).input)
        for l in 0..<layerCount {
            beforeLayer(l)
            let next = l + 1 < layerCount ? slot(l + 1, keepFrom).input : workspace.final
            runBlock(l, slot(l, keepFrom), T: tokens.count, into: next, attention: attention, observe: observe)
        }
    }

    /// One block, from `s.input`; fills the other members of `s`.
    /// `next`: the block's output, `[T, C]`; nil if it is not needed. May be `s.input`.
    func runBlock(
        _ l: Int, _ s: Workspace.Slot, T: Int, into next: UnsafeMutablePointer<Float>?,
        attention: (_ layer: Int, _ slot: Workspace.Slot) -> Void,
        observe: ((_ layer: Int, Projection, UnsafePointer<Float>) -> Void)? = nil
    ) {
        let (c, w, layer) = (configuration, workspace, layers[l])
        let (C, F) = (c.hiddenSize, c.intermediateSize)
        let isRepeated = next == nil
        let start = team.timeline.mark
        rmsNormForward(
            team, out: w.normed, inverseRMS: s.inverseRMS1, x: s.input, weight: layer.attentionNorm, T: T, C: C,
            eps: c.rmsNormEps)
        let attended = operand(w.normed, m: T, k: C)
        let (query, key) = c.hasHeadNorms ? (s.rawQuery, s.rawKey) : (s.query, s.key)
        project(l, .query, attended, into: query)
        project(l, .key, attended, into: key)
        project(l, .value, attended, into: s.value)
        observe?(l, .query, query)
        observe?(l, .key, key)
        observe?(l, .value, s.value)
        if let norms = layer.headNorms {
            rmsNormForward(
                team, out: s.query, inverseRMS: s.inverseRMSQuery, x: s.rawQuery, weight: norms.query,
                T: T * c.headCount, C: c.headDim, eps: c.rmsNormEps)
            rmsNormForward(
                team, out: s.key, inverseRMS: s.inverseRMSKey, x: s.rawKey, weight: norms.key, T: T * c.kvHeadCount,
                C: c.headDim, eps: c.rmsNormEps)
        }
        ropeInPlace(team, x: s.query, positions: w.positions, table: ropeTable, T: T, heads: c.headCount)
        ropeInPlace(team, x: s.key, positions: w.positions, table: ropeTable, T: T, heads: c.kvHeadCount)
        attention(l, s)
        copyRows(team, out: s.middle, source: s.input, T: T, C: C)
        let mixed = operand(s.attention, m: T, k: c.queryWidth)
        project(l, .output, mixed, into: s.middle, accumulate: true)
        if let observe {
            project(l, .output, mixed, into: w.dNormed)
            observe(l, .output, w.dNormed)
        }
        if !isRepeated { team.timeline.note("attention", layer: l, since: start) }
        let middle = team.timeline.mark

        rmsNormForward(
            team, out: w.normed, inverseRMS: s.inverseRMS2, x: s.middle, weight: layer.feedForwardNorm, T: T, C: C,
            eps: c.rmsNormEps)
        let fed = operand(w.normed, m: T, k: C)
        project(l, .gate, fed, into: s.gate)
        project(l, .up, fed, into: s.up)
        observe?(l, .gate, s.gate)
        observe?(l, .up, s.up)
        guard let next else {
            team.timeline.note("recompute", layer: l, since: start)
            return
        }
        swiGLUForward(team, out: w.activated, gate: s.gate, up: s.up, T: T, F: F)
        copyRows(team, out: next, source: s.middle, T: T, C: C)
        let activated = operand(w.activated, m: T, k: F)
        project(l, .down, activated, into: next, accumulate: true)
        if let observe {
            project(l, .down, activated, into: w.dNormed)
            observe(l, .down, w.dNormed)
        }
        team.timeline.note("feed-forward", layer: l, since: middle)
    }

    /// The tokens' embeddings, `out [T, C]`.
    private func embed(_ tokens: [Int32], into out: UnsafeMutablePointer<Float>) {
        let (T, C) = (tokens.count, configuration.hiddenSize)
        if let half = embedding.half {
            gatherRows(team, out: out, source: UnsafePointer(half.pointer), rows: tokens, n: T, C: C)
        } else {
            gatherRows(team, out: out, source: UnsafePointer(embedding.pointer), rows: tokens, n: T, C: C)
        }
    }

    func slot(_ layer: Int, _ keepFrom: Int) -> Workspace.Slot {
        workspace.slots[layer >= keepFrom ? layer - keepFrom + 1 : 0]
    }

    /// The blocks over a packed batch.
    func forward(
        _ batch: PackedBatch, keepFrom: Int, beforeLayer: (_ layer: Int) -> Void = { _ in },
        observe: ((_ layer: Int, Projection, UnsafePointer<Float>) -> Void)? = nil
    ) {
        runBlocks(
            tokens: batch.tokens, keepFrom: keepFrom, beforeLayer: beforeLayer,
            attention: { attend(batch, $1) }, observe: observe)
    }

    /// Attention of a packed batch: fills `s.attention` and `s.logSumExp`.
    func attend(_ batch: PackedBatch, _ s: Workspace.Slot) {
        attentionForward(
            team, out: s.attention, logSumExp: s.logSumExp, q: s.query, k: s.key, v: s.value,
            rows: batch.attentionRows, shape: attentionShape, scratch: workspace.attentionScratch,
            scratchStride: workspace.attentionScratchStride)
    }

    /// As `LanguageModel` says.
    public func observe(
        _ batch: PackedBatch, _ visit: (_ layer: Int, _ projection: Projection, _ outputs: UnsafePointer<Float>) -> Void
    ) {
        guard batch.tokenCount > 0 else { return }
        prepare(batch, targets: 0)
        withoutActuallyEscaping(visit) { forward(batch, keepFrom: layerCount, observe: $0) }
    }

    /// Final norm of the hidden states at `positions`: fills `targetHidden`, `targetNormed` and `targetInverseRMS`.
    func normTargets(_ positions: [Int32]) {
        let (w, C, n) = (workspace, configuration.hiddenSize, positions.count)
        gatherRows(team, out: w.targetHidden, source: w.final, rows: positions, n: n, C: C)
        rmsNormForward(
            team, out: w.targetNormed, inverseRMS: w.targetInverseRMS, x: w.targetHidden, weight: finalNorm, T: n,
            C: C, eps: configuration.rmsNormEps)
    }

    /// `0 ..< count` in pieces whose logits fit the workspace, of nearly equal size.
    func forEachHeadChunk(of count: Int, _ body: (Range<Int>) -> Void) {
        let chunks = (count + Workspace.headChunk - 1) / Workspace.headChunk
        for chunk in 0..<chunks { body(count * chunk / chunks..<count * (chunk + 1) / chunks) }
    }

    /// As `LanguageModel` says. Overwrites `losses`.
    public func evaluate(_ batch: PackedBatch, losses: UnsafeMutableBufferPointer<Float>) {
        precondition(
            losses.count == batch.targetCount, "evaluate: \(losses.count) losses, \(batch.targetCount) targets")
        guard batch.targetCount > 0, let losses = losses.baseAddress else { return }
        let (w, C, V) = (workspace, configuration.hiddenSize, vocabularySize)
        prepare(batch, targets: batch.targetCount)
        forward(batch, keepFrom: layerCount)
        normTargets(batch.targetPositions)
        batch.targetTokens.withUnsafeBufferPointer { targets in
            forEachHeadChunk(of: batch.targetCount) { chunk in
                projectHead(w.targetNormed + chunk.lowerBound * C, into: w.logits, n: chunk.count)
                crossEntropy(
                    team, losses: losses + chunk.lowerBound, logits: w.logits,
                    targets: targets.baseAddress! + chunk.lowerBound, n: chunk.count, V: V, gradientScale: nil)
            }
        }
    }

    /// As `LanguageModel` says. Overwrites `logits`.
    public func logits(
        _ batch: PackedBatch, positions: [Int32], into logits: UnsafeMutableBufferPointer<Float>
    ) {
        precondition(logits.count == positions.count * vocabularySize, "logits: buffer of \(logits.count)")
        guard !positions.isEmpty, let logits = logits.baseAddress else { return }
        prepare(batch, targets: positions.count)
        forward(batch, keepFrom: layerCount)
        normTargets(positions)
        projectHead(workspace.targetNormed, into: logits, n: positions.count)
    }
}

extension PackedBatch {
    var attentionRows: AttentionRows { AttentionRows(prefix: prefixCount, starts: rowStarts) }
}
