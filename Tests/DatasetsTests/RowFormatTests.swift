import Foundation
import TestSupport
import Testing
import Tokenization

@testable import Datasets

/// The forms of rows, and what each template makes of them.
@Suite struct RowFormatTests {
    let folder: TemporaryFolder
    let tokenizer: Tokenizer

    init() throws {
        folder = try TemporaryFolder()
        tokenizer = try makeTokenizer()
    }

    private func load(
        _ text: String, template: ChatTemplate = .none, maxLength: Int = 1000, fields: [String: String] = [:],
        tokenizer: Tokenizer? = nil
    ) throws -> Dataset {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.file("rows.jsonl")))
        return try Dataset.load(
            folder.file("rows.jsonl"), tokenizer: tokenizer ?? self.tokenizer,
            options: DatasetOptions(maxLength: maxLength, chatTemplate: template, fields: fields))
    }

    /// What a row says, by its learned and its other tokens.
    private func split(_ row: EncodedRow) -> [String] {
        [false, true].map { isTarget in
            let tokens = zip(row.tokens, row.isTarget).filter { $0.1 == isTarget }.map(\.0)
            return tokenizer.decode(tokens, skipSpecial: false)
        }
    }

    static let forms: [(text: String, RowFormat, parts: [String])] = [
        (#"{"prompt": "a", "completion": "b"}"#, .promptCompletion, ["a", "b<|endoftext|>"]),
        (
            #"{"prompt": [{"role": "user", "content": "a"}], "completion": [{"role": "assistant", "content": "b"}]}"#,
            .promptCompletion, ["a", "b<|endoftext|>"]
        ),
        (
            #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}"#, .chat,
            ["a", "b<|endoftext|>"]
        ),
        (
            #"{"conversations": [{"from": "system", "value": "s"}, {"from": "human", "value": "a"}, {"from": "gpt", "value": "b"}, {"from": "human", "value": "c"}, {"from": "gpt", "value": "d"}], "id": 7}"#,
            .shareGPT, ["sac", "b<|endoftext|>d<|endoftext|>"]
        ),
        (#"{"instruction": "a", "input": "", "output": "b"}"#, .alpaca, ["a", "b<|endoftext|>"]),
        (
            #"{"instruction": "a", "input": "i", "output": "b", "text": "whole"}"#, .alpaca,
            ["a\n\ni", "b<|endoftext|>"]
        ),
        (#"{"instruction": "a", "input": null, "output": "b"}"#, .alpaca, ["a", "b<|endoftext|>"]),
        (#"{"text": "a", "label": "b"}"#, .labelled, ["a", "b<|endoftext|>"]),
        (#"{"text": "ab"}"#, .text, ["a", "b<|endoftext|>"]),
    ]

    @Test(arguments: forms.indices) func isRecognised(number: Int) throws {
        let (text, format, parts) = Self.forms[number]
        for text in [text, "[\n \(text)\n]\n"] {
            let data = try load(text)
            #expect(data.format == format)
            #expect(split(data.rows[0]) == parts)
            #expect(data.rows[0].line == (text.first == "[" ? 2 : 1))
        }
    }

    @Test func everyKeyCanHaveAnotherName() throws {
        for (text, format, parts) in Self.forms {
            var renamed = text
            let keys = format.keys + (format == .alpaca ? ["input"] : [])
            for key in keys { renamed = renamed.replacing("\"\(key)\":", with: "\"my \(key)\":") }
            let fields = Dictionary(uniqueKeysWithValues: keys.map { ($0, "my \($0)") })
            let data = try load(renamed, fields: fields)
            #expect(data.format == format && split(data.rows[0]) == parts)
        }
        #expect(Set(RowFormat.knownKeys).isSuperset(of: ["prompt", "completion", "conversations", "input", "label"]))
    }

    /// Turns that a template cannot write are refused by file and line.
    @Test func templatesRefuseTurns() throws {
        let marks = TextMarks(begin: "<|endoftext|>", end: "<|endoftext|>")
        let text =
            #"{"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}, {"role": "assistant", "content": "c"}]}"#
        #expect { try load(text, template: .llama2(marks)) } throws: {
            "\($0)".contains("rows.jsonl:1: turns user, user, assistant, which the template llama2 does not know")
        }
        #expect(try load(text, template: .zephyr(marks)).rows[0].tokens.last == 258)
        // Nothing would say where an answer ends.
        let endless = try Tokenizer(
            gguf: GGUFVocabulary(
                model: "gpt2", pre: "smollm", tokens: ["x", "y"], tokenTypes: nil, merges: [], bosToken: nil,
                eosToken: nil, unknownToken: nil, addBOS: nil, chatTemplate: nil), file: "test")
        #expect(endless.marks == TextMarks(begin: "", end: ""))
        #expect {
            try load(#"{"prompt": "x", "completion": "y"}"#, template: .zephyr(endless.marks), tokenizer: endless)
        } throws: { "\($0)".contains("a tokenizer without an end-of-text token") }
        let alpaca = try load(#"{"instruction": "a", "input": "i", "output": "b"}"#, template: .alpaca(marks)).rows[0]
        #expect(split(alpaca)[0].hasSuffix("### Instruction:\na\n\n### Input:\ni\n\n### Response:\n"))
        #expect(split(alpaca)[1] == "b<|endoftext|>")
    }

    /// A template that writes BOS and a tokenizer that adds it give one BOS; it stays when the prompt is cut.
    @Test func oneBOS() throws {
        let own = try makeTokenizer(bos: true)
        let marks = TextMarks(begin: "<|endoftext|>", end: "<|im_end|>")
        let text = #"{"prompt": "0123456789", "completion": "ab"}"#
        let row = try load(text, template: .mistral(marks, .bare), tokenizer: own).rows[0]
        #expect(row.tokens.prefix(2) == [258, Int32(UInt8(ascii: "["))])
        #expect(!row.isTarget[0] && row.targetCount == 3)
        let cut = try load(text, maxLength: 8, tokenizer: own)
        #expect(cut.cutPromptCount == 1 && cut.rows[0].tokens.count == 8)
        #expect(split(cut.rows[0]) == ["<|endoftext|>6789", "ab<|endoftext|>"])
        #expect(cut.rows[0].promptTokenCount == 5)
        // Nothing of the prompt is left but BOS.
        #expect(split(try load(text, maxLength: 4, tokenizer: own).rows[0]) == ["<|endoftext|>", "ab<|endoftext|>"])
    }

    @Test func lengthsAreCountedInRoundBins() {
        func rows(_ lengths: [Int]) -> [EncodedRow] {
            lengths.map {
                EncodedRow(
                    tokens: Array(repeating: 0, count: $0), isTarget: [], line: 1, promptTokenCount: 0, prompt: "",
                    completion: "")
            }
        }
        #expect(LengthHistogram([]).bins.isEmpty)
        #expect(LengthHistogram(rows([3, 5, 5])).bins.map(\.rows) == [1, 0, 2])
        let wide = LengthHistogram(rows([10, 19, 20, 99, 100, 119])).bins
        #expect(wide.map(\.lengths) == stride(from: 10, through: 110, by: 10).map { $0...$0 + 9 })
        #expect(wide.map(\.rows) == [2, 1, 0, 0, 0, 0, 0, 0, 1, 1, 1])
        let long = LengthHistogram(rows([1, 130, 2048])).bins
        #expect(long.count == 11 && long[0].lengths == 0...199 && long[0].rows == 2 && long[10].rows == 1)
    }
}
