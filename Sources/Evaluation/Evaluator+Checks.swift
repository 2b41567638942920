extension Evaluator {
    /// Refuses rows whose loss cannot be computed.
    func checkTargets(_ rows: [EvaluationRow]) throws(EvaluationError) {
        try checkNotEmpty(rows)
        for (index, row) in rows.enumerated() {
            let subject = subject(of: row, at: index)
            guard row.tokens.count == row.isTarget.count, row.isTarget.first != true else {
                throw EvaluationError(
                    subject: subject, found: "\(row.tokens.count) tokens and \(row.isTarget.count) loss marks",
                    expected: "as many marks as tokens, the first one unset", hint: "encode the row again")
            }
            guard row.isTarget.contains(true) else {
                throw EvaluationError(
                    subject: subject, found: "row has no target tokens", expected: "a non-empty completion",
                    hint: "fix or remove the row, or pass --skip-bad-rows")
            }
            guard row.tokens.count <= model.contextLength else {
                throw EvaluationError(
                    subject: subject, found: "\(row.tokens.count) tokens",
                    expected: "at most \(model.contextLength), the model's context", hint: "lower --max-length")
            }
            try checkVocabulary(row.tokens, subject: subject)
        }
    }

    /// Refuses rows for which the model cannot write an answer of `newTokens` tokens.
    func checkPrompts(_ rows: [EvaluationRow], newTokens: Int) throws(EvaluationError) {
        try checkNotEmpty(rows)
        for (index, row) in rows.enumerated() {
            let subject = subject(of: row, at: index)
            guard !row.promptTokens.isEmpty else {
                throw EvaluationError(
                    subject: subject, found: "row has no prompt", expected: "a prompt to answer",
                    hint: "give rows with a prompt, or ask for --metrics perplexity alone")
            }
            guard row.promptTokens.count <= model.contextLength - newTokens else {
                throw EvaluationError(
                    subject: subject,
                    found: "a prompt of \(row.promptTokens.count) tokens and up to \(newTokens) new ones",
                    expected: "at most \(model.contextLength) together, the model's context",
                    hint: "lower --max-new-tokens or --max-length")
            }
            try checkVocabulary(row.promptTokens, subject: subject)
        }
    }

    func checkNotEmpty(_ rows: [EvaluationRow]) throws(EvaluationError) {
        guard rows.isEmpty else { return }
        throw EvaluationError(
            subject: "test data", found: "no rows", expected: "at least one row",
            hint: "check --data and --limit")
    }

    private func checkVocabulary(_ tokens: [Int32], subject: String) throws(EvaluationError) {
        for token in tokens where token < 0 || Int(token) >= model.vocabularySize {
            throw EvaluationError(
                subject: subject, found: "token \(token)", expected: "a token below \(model.vocabularySize)",
                hint: "the tokenizer does not belong to the model")
        }
    }

    func subject(of row: EvaluationRow, at index: Int) -> String {
        row.origin.isEmpty ? "row \(index + 1)" : row.origin
    }
}
