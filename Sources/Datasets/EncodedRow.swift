import Tokenization

/// One row as tokens, with the marks of what is learned.
public struct EncodedRow: Sendable, Equatable {
    /// The whole row, `[tokens.count]`.
    public var tokens: [Int32]
    /// Whether token `i` is predicted (from `i − 1`) and in the loss, `[tokens.count]`; never the first.
    public var isTarget: [Bool]
    /// Line of the file on which the row begins, from 1.
    public var line: Int
    /// Tokens before the last learned turn: what a model is given to answer.
    public var promptTokenCount: Int
    /// The text of the prompt as the file has it: its last user turn, or nothing for plain text.
    public var prompt: String
    /// The text of the last learned turn.
    public var completion: String
    /// The class of the row, where the file names one: its `label`, of whole numbers the digits.
    public var label: String?

    /// Tokens in the loss.
    public var targetCount: Int { isTarget.reduce(0) { $0 + ($1 ? 1 : 0) } }
}

/// Turns what a row says into tokens.
struct RowEncoder {
    let tokenizer: Tokenizer
    let template: ChatTemplate
    let maxLength: Int

    /// - Returns: the row, and whether its prompt was cut.
    func encode(_ content: RowContent, line: Int) throws(RowProblem) -> (row: EncodedRow, isCut: Bool) {
        var row = EncodedRow(tokens: [], isTarget: [], line: line, promptTokenCount: 0, prompt: "", completion: "")
        if tokenizer.addsBOS, let bos = tokenizer.bosToken { append([bos], false, to: &row) }
        let startsWithBOS = !row.tokens.isEmpty
        switch content {
        case .instruction(let instruction, let input, let output):
            let turns = [
                ChatMessage(role: "user", content: template.userContent(instruction: instruction, input: input)),
                ChatMessage(role: "assistant", content: output),
            ]
            return try encode(.turns(turns, targets: 1), line: line)
        case .text(let text):
            row.completion = text
            row.promptTokenCount = min(1, row.tokens.count)
            append(tokenizer.encode(text) + (try endOfText()), true, to: &row)
        case .turns(let turns, let targets):
            if let problem = template.problem(with: turns) {
                throw RowProblem(
                    found: problem, expected: "turns that the chat template can write",
                    hint: "fix or remove the row, choose another --chat-template, or pass --skip-bad-rows")
            }
            row.prompt = turns.last { $0.role == "user" }?.content ?? ""
            row.completion = turns.last { $0.role == "assistant" }?.content ?? ""
            for piece in pieces(turns, targets: targets) {
                if piece.isTarget { row.promptTokenCount = row.tokens.count }
                let isStart = row.tokens.count == (startsWithBOS ? 1 : 0)
                var tokens = tokenizer.encode(piece.text, following: isStart ? nil : row.tokens.last)
                // Some templates write BOS themselves.
                if isStart, startsWithBOS, tokens.first == tokenizer.bosToken { tokens.removeFirst() }
                append(tokens, piece.isTarget, to: &row)
                if piece.isTarget && (template.endToken ?? "").isEmpty { append(try endOfText(), true, to: &row) }
            }
        }
        // The first token follows nothing, so it cannot be predicted.
        if !row.isTarget.isEmpty { row.isTarget[0] = false }
        guard let firstTarget = row.isTarget.firstIndex(of: true) else {
            throw RowProblem(
                found: "row has no target tokens", expected: "an assistant turn or some text to learn",
                hint: "fix or remove the row, or pass --skip-bad-rows")
        }
        let excess = row.tokens.count - maxLength
        guard excess > 0 else { return (row, false) }
        guard excess < firstTarget else {
            throw tooLong(row, firstTarget)
        }
        // BOS stays.
        let cut = startsWithBOS ? 1..<excess + 1 : 0..<excess
        row.tokens.removeSubrange(cut)
        row.isTarget.removeSubrange(cut)
        row.isTarget[0] = false
        row.promptTokenCount = max(row.promptTokenCount - excess, startsWithBOS ? 1 : 0)
        return (row, true)
    }

    private func tooLong(_ row: EncodedRow, _ firstTarget: Int) -> RowProblem {
        let learned = row.tokens.count - firstTarget
        // One token must be left to predict from.
        var (found, most) = ("the answer has \(learned) tokens", maxLength - 1)
        if firstTarget == 1 {
            (found, most) = ("the row has \(row.tokens.count) tokens", maxLength)
        } else if row.isTarget[firstTarget...].contains(false) {
            found = "the row has \(learned) tokens from its first answer on"
        }
        return RowProblem(
            found: found, expected: "at most \(most) (--max-length \(maxLength))",
            hint: "shorten it, raise --max-length (up to the model's context), or pass --skip-bad-rows")
    }

    /// The pieces of the turns; learned ones before the last `targets` become context.
    private func pieces(_ turns: [ChatMessage], targets: Int?) -> [(text: String, isTarget: Bool)] {
        let all = template.trainingPieces(turns)
        guard let targets else { return all }
        var skip = all.filter(\.isTarget).count - targets
        var result: [(text: String, isTarget: Bool)] = []
        for piece in all {
            var piece = piece
            if piece.isTarget && skip > 0 {
                piece.isTarget = false
                skip -= 1
            }
            if let last = result.last, !last.isTarget, !piece.isTarget {
                result[result.count - 1].text += piece.text
            } else {
                result.append(piece)
            }
        }
        return result
    }

    private func append(_ tokens: [Int32], _ isTarget: Bool, to row: inout EncodedRow) {
        row.tokens += tokens
        row.isTarget += Array(repeating: isTarget, count: tokens.count)
    }

    private func endOfText() throws(RowProblem) -> [Int32] {
        guard let end = tokenizer.eosToken else {
            throw RowProblem(
                found: "a tokenizer without an end-of-text token", expected: "one, so that the model learns to stop",
                hint: "choose a chat template with --chat-template, or add eos_token to the tokenizer's files")
        }
        return [end]
    }
}
