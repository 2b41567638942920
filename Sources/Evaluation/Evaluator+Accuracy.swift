import Collectives
import Datasets

extension Evaluator {
    /// More different answers than this are not classes.
    static let mostClasses = 100

    /// The different answers of `rows`, each as the tokens that follow a prompt (the end token included), in the order
    /// in which they occur first.
    /// - Throws: if they are not at least two classes, or if rows are no answers to prompts.
    func classes(of rows: [EvaluationRow]) throws(EvaluationError) -> [[Int32]] {
        try checkNotEmpty(rows)
        var classes: [[Int32]] = []
        var known: Set<[Int32]> = []
        for row in rows {
            let answer = Array(row.tokens.dropFirst(row.promptTokens.count))
            if known.insert(answer).inserted { classes.append(answer) }
        }
        guard (2...Self.mostClasses).contains(classes.count) else {
            throw EvaluationError(
                subject: "--metrics accuracy", found: "\(classes.count) different answers in \(rows.count) rows",
                expected: "2 to \(Self.mostClasses) classes to choose from",
                hint: classes.count < 2 ? "give rows of all classes" : "ask for exact-match, bleu or rouge instead")
        }
        let longest = classes.map(\.count).max() ?? 0
        for (index, row) in rows.enumerated() where row.promptTokens.count + longest > model.contextLength {
            throw EvaluationError(
                subject: subject(of: row, at: index),
                found: "a prompt of \(row.promptTokens.count) tokens before answers of up to \(longest)",
                expected: "at most \(model.contextLength) together, the model's context", hint: "lower --max-length")
        }
        return classes
    }

    /// Share of rows, 0 … 100, whose own answer is the likeliest of all rows' different answers: the highest sum of the
    /// log-likelihoods of its tokens, its end included. Of equal ones the one that occurs first counts as chosen.
    ///
    /// Each row is a batch of its own, so the figure does not depend on the number of ranks.
    public func accuracy(
        _ rows: [EvaluationRow], progress: (EvaluationProgress) -> Void = { _ in }
    ) throws(EvaluationError) -> Double {
        try checkTargets(rows)
        try checkPrompts(rows, newTokens: 0)
        let classes = try classes(of: rows)
        var counts = [0, 0]
        let share = stride(from: communicator.rank, to: rows.count, by: communicator.size)
        for index in share {
            let row = rows[index]
            let marks = [Bool](repeating: false, count: row.promptTokens.count)
            let batch = PackedBatch(
                rows: classes.map { (row.promptTokens + $0, marks + [Bool](repeating: true, count: $0.count)) })
            var losses = [Float](repeating: 0, count: batch.targetCount)
            losses.withUnsafeMutableBufferPointer { model.evaluate(batch, losses: $0) }
            let sums = classes.indices.map { (number: Int) -> Double in
                let targets = Int(batch.targetStarts[number])..<Int(batch.targetStarts[number + 1])
                return losses[targets].reduce(0) { $0 + Double($1) }
            }
            // A loss that is not a number is the likeliest of none.
            let best = sums.indices.filter { sums[$0].isFinite }.min { sums[$0] < sums[$1] }
            let own = row.tokens.dropFirst(row.promptTokens.count)
            counts[0] += best.map { classes[$0].elementsEqual(own) } == true ? 1 : 0
            counts[1] += 1
            progress(EvaluationProgress(phase: .classes, done: counts[1], total: share.underestimatedCount))
        }
        let total = communicator.sum(counts)
        return 100 * Double(total[0]) / Double(total[1])
    }

    /// Share of samples, 0 … 100, whose output is the reference, white space around either left aside. Compared by code
    /// point.
    static func exactMatch(_ samples: [EvaluationSample]) -> Double {
        func trimmed(_ text: String) -> [UInt32] {
            let scalars = text.unicodeScalars.map(\.value).drop { Tokenizer13a.isSpace($0) }
            return Array(scalars.reversed().drop { Tokenizer13a.isSpace($0) }.reversed())
        }
        guard !samples.isEmpty else { return 0 }
        return 100 * Double(samples.count { trimmed($0.output) == trimmed($0.reference) }) / Double(samples.count)
    }
}
