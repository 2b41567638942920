import Datasets
import Kernels

extension Decoder {
    /// As `LanguageModel` says. Prompts must not be empty.
    public func generateGreedy(prompts: [[Int32]], maxNewTokens: Int, endTokens: Set<Int32>) -> [[Int32]] {
        generate(prompts: prompts, maxNewTokens: maxNewTokens, endTokens: endTokens) { logits in
            Int32(argmax(logits.baseAddress!, logits.count))
        }
    }

    /// A continuation of a prompt until one of `endTokens` or `maxNewTokens`, its tokens drawn at random; end tokens are not
    /// returned. The same one for a seed, on any number of threads.
    public func generate(
        prompt: [Int32], maxNewTokens: Int, endTokens: Set<Int32>, sampling: Sampling
    ) -> [Int32] {
        var sampler = TokenSampler(sampling)
        return generate(prompts: [prompt], maxNewTokens: maxNewTokens, endTokens: endTokens) { sampler.choose($0) }[0]
    }

    /// `choose`: the next token, from the logits `[V]` of all.
    private func generate(
        prompts: [[Int32]], maxNewTokens: Int, endTokens: Set<Int32>,
        choose: Choice
    ) -> [[Int32]] {
        guard !prompts.isEmpty, maxNewTokens > 0 else { return prompts.map { _ in [] } }
        precondition(prompts.allSatisfy { !$0.isEmpty }, "generate: empty prompt")
        let cache = KeyValueCache(
            configuration: configuration, capacities: prompts.map { $0.count + maxNewTokens })
        var outputs: [[Int32]] = Array(repeating: [], count: prompts.count)
        var active = Array(prompts.indices)
        var next = prefill(prompts, cache: cache, choose)
        while true {
            // Keep what goes on; sequences that ended leave the batch.
            var going: [Int] = []
            var tokens: [Int32] = []
            for (sequence, token) in zip(active, next) where !endTokens.contains(token) {
                outputs[sequence].append(token)
                if outputs[sequence].count < maxNewTokens {
                    going.append(sequence)
                    tokens.append(token)
                }
            }
            if going.isEmpty { return outputs }
            active = going
            next = decode(tokens, sequences: active, cache: cache, choose)
        }
    }

    private typealias Choice = (_ logits: UnsafeBufferPointer<Float>) -> Int32

    /// Runs the prompts and fills their caches; returns the next token of each.
    private func prefill(_ prompts: [[Int32]], cache: KeyValueCache, _ choose: Choice) -> [Int32] {
        // Prompts go in groups of about this many tokens, which bounds the activations.
        let most = 2048
        var next: [Int32] = []
        var first = 0
        while first < prompts.count {
            var (last, tokens) = (first, 0)
            while last < prompts.count, last == first || tokens + prompts[last].count <= most {
                tokens += prompts[last].count
                last += 1
            }
            let group = first..<last
            let batch = PackedBatch(
                rows: prompts[group].map { ($0, Array(repeating: false, count: $0.count)) })
            prepare(batch, targets: batch.rowCount)
            runBlocks(tokens: batch.tokens, keepFrom: layerCount) { layer, s in
                for (row, sequence) in group.enumerated() {
                    cache.fill(
                        layer, sequence, prefix: batch.prefixCount,
                        row: batch.rowStarts[row]..<batch.rowStarts[row + 1],
                        keys: s.key, values: s.value)
                }
                attend(batch, s)
            }
            next += nextTokens(at: batch.rowStarts.dropFirst().map { $0 - 1 }, choose)
            for sequence in group { cache.lengths[sequence] = prompts[sequence].count }
            first = last
        }
        return next
    }

    /// One token of each of `sequences`; returns the next token of each.
    private func decode(_ tokens: [Int32], sequences: [Int], cache: KeyValueCache, _ choose: Choice) -> [Int32] {
        let width = configuration.kvWidth
        let longest = (sequences.map { cache.lengths[$0] }.max() ?? 0) + 1
        workspace.reserve(
            tokens: tokens.count, keptLayers: 0, targets: tokens.count,
            longestRow: longest / attentionScratchCount(longestRow: 1) + 1)
        adapters?.reserve(tokens: tokens.count)
        workspace.setPositions(sequences.map { Int32(cache.lengths[$0]) })
        extendRoPE(to: longest)
        runBlocks(tokens: tokens, keepFrom: layerCount) { layer, s in
            var caches: [(keys: UnsafePointer<Float>, values: UnsafePointer<Float>, length: Int)] = []
            for (row, sequence) in sequences.enumerated() {
                let (keys, values) = (cache.keys(layer, sequence), cache.values(layer, sequence))
                let at = cache.lengths[sequence] * width
                (keys + at).update(from: s.key + row * width, count: width)
                (values + at).update(from: s.value + row * width, count: width)
                caches.append((UnsafePointer(keys), UnsafePointer(values), cache.lengths[sequence] + 1))
            }
            cachedAttention(
                team, out: s.attention, q: s.query, caches: caches, shape: attentionShape,
                scratch: workspace.attentionScratch, scratchStride: workspace.attentionScratchStride)
        }
        for sequence in sequences { cache.lengths[sequence] += 1 }
        return nextTokens(at: Array(0..<Int32(tokens.count)), choose)
    }

    private func nextTokens(at positions: [Int32], _ choose: Choice) -> [Int32] {
        normTargets(positions)
        let (w, C, V) = (workspace, configuration.hiddenSize, vocabularySize)
        var result: [Int32] = Array(repeating: 0, count: positions.count)
        forEachHeadChunk(of: positions.count) { chunk in
            projectHead(w.targetNormed + chunk.lowerBound * C, into: w.logits, n: chunk.count)
            for (row, i) in chunk.enumerated() {
                result[i] = choose(UnsafeBufferPointer(start: w.logits + row * V, count: V))
            }
        }
        return result
    }
}

/// Keys and values of every layer for a batch of sequences, each with room for its own length.
private final class KeyValueCache {
    /// Tokens cached so far, per sequence.
    var lengths: [Int]
    private let storage: TensorStorage
    private let starts: [Int]
    private let perLayer: Int
    private let valueOffset: Int
    private let width: Int

    /// `capacities`: most tokens of each sequence.
    init(configuration: DecoderConfiguration, capacities: [Int]) {
        width = configuration.kvWidth
        var starts: [Int] = []
        var total = 0
        for capacity in capacities {
            starts.append(total * configuration.kvWidth)
            total += capacity
        }
        self.starts = starts
        valueOffset = total * width
        perLayer = 2 * total * width
        storage = TensorStorage(count: perLayer * configuration.layerCount)
        lengths = Array(repeating: 0, count: capacities.count)
    }

    func keys(_ layer: Int, _ sequence: Int) -> UnsafeMutablePointer<Float> {
        storage.pointer + layer * perLayer + starts[sequence]
    }
    func values(_ layer: Int, _ sequence: Int) -> UnsafeMutablePointer<Float> {
        keys(layer, sequence) + valueOffset
    }

    /// Copies a prompt's keys and values, `[T, KV·D]` of a packed batch: the shared tokens, then the row's own.
    func fill(
        _ layer: Int, _ sequence: Int, prefix: Int, row: Range<Int32>, keys newKeys: UnsafePointer<Float>,
        values newValues: UnsafePointer<Float>
    ) {
        for (cache, new) in [(keys(layer, sequence), newKeys), (values(layer, sequence), newValues)] {
            cache.update(from: new, count: prefix * width)
            (cache + prefix * width).update(from: new + Int(row.lowerBound) * width, count: row.count * width)
        }
    }
}
