import Collectives
import Datasets
import Models

/// Measures a model on rows, together with the other ranks of a communicator.
///
/// Collective: every rank calls the same methods with the same rows and options. Batches are cut before they are dealt to
/// ranks, and sums run in row order, so the figures have the same bits for any number of ranks.
public struct Evaluator {
    /// How rows are batched, and when an answer ends.
    public struct Options: Sendable, Equatable {
        /// Rows that are generated together, at least 1.
        public var batchRows: Int
        /// Tokens that are scored together, at least 1; a longer row is scored alone.
        public var batchTokens: Int
        /// Longest output, in tokens, at least 1.
        public var maxNewTokens: Int
        /// Tokens that end an output.
        public var endTokens: Set<Int32>

        /// Options as they are named.
        public init(
            batchRows: Int = 16, batchTokens: Int = 1024, maxNewTokens: Int = 256, endTokens: Set<Int32> = []
        ) {
            self.batchRows = batchRows
            self.batchTokens = batchTokens
            self.maxNewTokens = maxNewTokens
            self.endTokens = endTokens
        }
    }

    let model: any LanguageModel
    let communicator: any Communicator
    let options: Options

    /// Evaluates a model; all ranks of `communicator` must hold the same one.
    public init(model: any LanguageModel, communicator: any Communicator, options: Options) {
        precondition(
            options.batchRows > 0 && options.batchTokens > 0 && options.maxNewTokens > 0,
            "Evaluator: options must be positive")
        self.model = model
        self.communicator = communicator
        self.options = options
    }

    /// All of `metrics` on `rows`.
    ///
    /// - Parameters:
    ///   - rows: at least one.
    ///   - metrics: what to measure.
    ///   - decode: the text of generated tokens.
    ///   - progress: called after each batch of this rank.
    /// - Throws: if a row cannot be evaluated: no rows, no target, a token the model does not know, too long.
    public func evaluate(
        _ rows: [EvaluationRow], metrics: [Metric], decode: ([Int32]) -> String,
        progress: (EvaluationProgress) -> Void = { _ in }
    ) throws(EvaluationError) -> EvaluationResult {
        if metrics.contains(where: \.needsGeneration) { try checkPrompts(rows, newTokens: options.maxNewTokens) }
        if metrics.contains(.accuracy) { _ = try classes(of: rows) }
        var result = EvaluationResult()
        result.rows = rows.count
        if metrics.contains(.perplexity) {
            let summary = try loss(rows, progress: progress)
            result.loss = summary.loss
            result.perplexity = summary.perplexity
            result.targetTokens = summary.targetTokens
        }
        if metrics.contains(.accuracy) { result.accuracy = try accuracy(rows, progress: progress) }
        if metrics.contains(where: \.needsGeneration) {
            let outputs = try generate(rows, decode: decode, progress: progress)
            result.samples = zip(rows, outputs).map {
                EvaluationSample(prompt: $0.prompt, reference: $0.reference, output: $1.text)
            }
            result.cutOutputs = outputs.count { $0.isCut }
            score(result.samples, metrics: metrics, into: &result)
        }
        return result
    }

    /// The loss of the rows' target tokens.
    public func loss(
        _ rows: [EvaluationRow], progress: (EvaluationProgress) -> Void = { _ in }
    ) throws(EvaluationError) -> LossSummary {
        try checkTargets(rows)
        let dealt = DealtBatches(lengths: rows.map(\.tokens.count), maxTokens: options.batchTokens)
        let share = dealt.share(rank: communicator.rank, size: communicator.size)
        let total = share.reduce(0) { $0 + $1.count }
        var sums: [Double] = []
        for members in share {
            let batch = PackedBatch(rows: members.map { (rows[$0].tokens, rows[$0].isTarget) })
            var losses = [Float](repeating: 0, count: batch.targetCount)
            losses.withUnsafeMutableBufferPointer { model.evaluate(batch, losses: $0) }
            for row in members.indices {
                let targets = Int(batch.targetStarts[row])..<Int(batch.targetStarts[row + 1])
                sums.append(losses[targets].reduce(0) { $0 + Double($1) })
            }
            progress(EvaluationProgress(phase: .loss, done: sums.count, total: total))
        }
        let gathered = dealt.gather(
            sums.map { sum in withUnsafeBytes(of: sum.bitPattern.littleEndian) { Array($0) } }, over: communicator)
        let nll = gathered.reduce(0.0) { total, bytes in
            total
                + bytes.withUnsafeBytes { Double(bitPattern: UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self))) }
        }
        return LossSummary(total: nll, targetTokens: rows.reduce(0) { $0 + $1.isTarget.count { $0 } })
    }

    /// What the model answers to one row.
    public struct Output: Sendable, Equatable {
        /// The answer without its end token.
        public let text: String
        /// Whether the output is as long as allowed, hence most likely cut off.
        public let isCut: Bool
    }

    /// The model's greedy answer to each row's prompt, in row order, on every rank.
    public func generate(
        _ rows: [EvaluationRow], decode: ([Int32]) -> String,
        progress: (EvaluationProgress) -> Void = { _ in }
    ) throws(EvaluationError) -> [Output] {
        try checkPrompts(rows, newTokens: options.maxNewTokens)
        let dealt = DealtBatches(lengths: rows.map(\.promptTokens.count), maxRows: options.batchRows)
        let share = dealt.share(rank: communicator.rank, size: communicator.size)
        let total = share.reduce(0) { $0 + $1.count }
        // One byte that says whether the output is cut, then its text.
        var own: [[UInt8]] = []
        for members in share {
            let outputs = model.generateGreedy(
                prompts: members.map { rows[$0].promptTokens }, maxNewTokens: options.maxNewTokens,
                endTokens: options.endTokens)
            precondition(outputs.count == members.count, "Evaluator: the model lost an output")
            for tokens in outputs {
                own.append([tokens.count >= options.maxNewTokens ? 1 : 0] + Array(decode(tokens).utf8))
            }
            progress(EvaluationProgress(phase: .generation, done: own.count, total: total))
        }
        return dealt.gather(own, over: communicator).map {
            Output(text: String(decoding: $0.dropFirst(), as: UTF8.self), isCut: $0[0] == 1)
        }
    }

    /// Scores the generated text; each rank counts every `size`-th row.
    private func score(_ samples: [EvaluationSample], metrics: [Metric], into result: inout EvaluationResult) {
        let own = stride(from: communicator.rank, to: samples.count, by: communicator.size).map { samples[$0] }
        if metrics.contains(.bleu) {
            var sum = BLEUStatistics()
            for sample in own { sum += BLEUStatistics(hypothesis: sample.output, reference: sample.reference) }
            result.bleu = BLEU.score(BLEUStatistics(counts: communicator.sum(sum.counts)))
        }
        if metrics.contains(.chrf) {
            var sum = ChrFStatistics()
            for sample in own { sum += ChrFStatistics(hypothesis: sample.output, reference: sample.reference) }
            result.chrf = ChrF.score(ChrFStatistics(counts: communicator.sum(sum.counts)))
        }
        if metrics.contains(.rouge) {
            // The mean is over rows: what each gave is put in its place, then added up in row order.
            var counts = [Int](repeating: 0, count: samples.count * ROUGEStatistics.countCount)
            for (i, sample) in own.enumerated() {
                let start = (communicator.rank + i * communicator.size) * ROUGEStatistics.countCount
                let row = ROUGEStatistics(hypothesis: sample.output, reference: sample.reference).counts
                counts.replaceSubrange(start..<start + row.count, with: row)
            }
            counts = communicator.sum(counts)
            result.rouge = ROUGE.score(
                stride(from: 0, to: counts.count, by: ROUGEStatistics.countCount).map {
                    ROUGEStatistics(counts: counts[$0..<$0 + ROUGEStatistics.countCount])
                })
        }
        if metrics.contains(.exactMatch) { result.exactMatch = Self.exactMatch(samples) }
    }
}
