import Datasets
import Foundation
import TestSupport
import Testing
import Tokenization

/// SmolLM2's tokenizer is not needed to test rows: one token per byte, and three special ones.
func makeTokenizer(bos: Bool = false) throws -> Tokenizer {
    // The alphabet of byte-level BPE: printable bytes stand for themselves, the others are moved up from 256.
    var tokens: [String] = []
    var moved: UInt32 = 256
    for byte in UInt32(0)..<256 {
        let isPrintable = (33...126).contains(byte) || (161...172).contains(byte) || (174...255).contains(byte)
        let scalar = isPrintable ? byte : moved
        if !isPrintable { moved += 1 }
        tokens.append(String(UnicodeScalar(scalar)!))
    }
    tokens += ["<|im_start|>", "<|im_end|>", "<|endoftext|>"]
    return try Tokenizer(
        gguf: GGUFVocabulary(
            model: "gpt2", pre: "smollm", tokens: tokens,
            tokenTypes: tokens.indices.map { $0 < 256 ? 1 : 3 }, merges: [], bosToken: 258, eosToken: 258,
            unknownToken: nil, addBOS: bos, chatTemplate: nil), file: "test")
}

@Suite struct DatasetTests {
    let folder: TemporaryFolder
    let tokenizer: Tokenizer

    init() throws {
        folder = try TemporaryFolder()
        tokenizer = try makeTokenizer()
    }

    func write(_ text: String, _ name: String = "data.jsonl") throws -> String {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.file(name)))
        return folder.file(name)
    }

    func load(
        _ text: String, template: ChatTemplate = .chatml(defaultSystem: nil), maxLength: Int = 1000,
        limit: Int? = nil, skip: Bool = false, fields: [String: String] = [:]
    ) throws -> Dataset {
        try Dataset.load(
            write(text), tokenizer: tokenizer,
            options: DatasetOptions(
                maxLength: maxLength, chatTemplate: template, limit: limit, skipBadRows: skip, fields: fields))
    }

    /// The text of the learned and of the other tokens.
    func split(_ row: EncodedRow) -> (context: String, target: String) {
        let pick = { (target: Bool) in
            zip(row.tokens, row.isTarget).filter { $0.1 == target }.map(\.0)
        }
        return (tokenizer.decode(pick(false), skipSpecial: false), tokenizer.decode(pick(true), skipSpecial: false))
    }

    /// A labelled row is a user's turn and its label the answer.
    @Test func labelsAreClassesAndLearned() throws {
        let data = try load(
            #"{"text": "Nice", "label": "good"}"# + "\n" + #"{"text": "Ugh", "label": "bad"}"#, template: .none)
        #expect(data.rows.map(\.label) == ["good", "bad"])
        #expect(try data.classes() == ["bad", "good"])
        #expect(data.rows[0].prompt == "Nice" && data.rows[0].completion == "good")
        let mapped = try load(
            #"{"prompt": "a", "completion": "b", "mood": "x"}"# + "\n" + #"{"prompt": "a", "completion": "b"}"#,
            fields: ["label": "mood"])
        #expect(mapped.rows.map(\.label) == ["x", nil])
        #expect { try mapped.classes() } throws: { "\($0)".contains("data.jsonl:2: a row without a label") }
        let same = try load(#"{"prompt": "a", "completion": "b", "label": "x"}"#)
        #expect { try same.classes() } throws: { "\($0)".contains("one class only, \"x\"") }
    }

    /// Whole numbers are names of classes, too.
    @Test func labelsMayBeWholeNumbers() throws {
        let text = ["0", "1", "-3", "9007199254740993"].map { #"{"text": "a", "label": \#($0)}"# }
        let data = try load(text.joined(separator: "\n"), template: .none)
        #expect(data.format == .labelled)
        #expect(data.rows.map(\.label) == ["0", "1", "-3", "9007199254740993"])
        #expect(split(data.rows[1]).target == "1<|endoftext|>")
        #expect(try data.classes() == ["-3", "0", "1", "9007199254740993"])
        // Beside a prompt and its completion.
        let pairs = ["1", "\"x\"", "true", "0.5"].map { #"{"prompt": "a", "completion": "b", "label": \#($0)}"# }
        #expect(try load(pairs.joined(separator: "\n"), template: .none).rows.map(\.label) == ["1", "x", nil, nil])
    }

    /// A byte order mark, as some editors write it, before an array and before lines.
    @Test func byteOrderMarks() throws {
        let (first, second) = (#"{"text": "ab"}"#, #"{"text": "cd"}"#)
        for text in ["[\(first),\(second)]", " \n[\(first),\n\(second)]\n", "\(first)\n\(second)\n"] {
            let data = try load("\u{FEFF}" + text, template: .none)
            #expect(data.rows.map(\.completion) == ["ab", "cd"])
            let same = try load(text, template: .none)
            #expect(data.rows == same.rows)
        }
    }

    @Test func promptAndCompletionBecomeTwoTurns() throws {
        let data = try load(
            #"{"prompt": "Hi", "completion": "Ciao"}"#, template: .chatml(defaultSystem: "Be kind"))
        let parts = split(data.rows[0])
        #expect(
            parts.context
                == "<|im_start|>system\nBe kind<|im_end|>\n<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n")
        #expect(parts.target == "Ciao<|im_end|>")
        #expect(data.rows[0].promptTokenCount == data.rows[0].tokens.count - 5)
        #expect((data.rows[0].prompt, data.rows[0].completion) == ("Hi", "Ciao"))
        #expect((data.tokenCount, data.targetCount) == (data.rows[0].tokens.count, 5))
    }

    @Test func withoutATemplatePromptAndCompletionAreJoined() throws {
        let row = try load(#"{"prompt": "2+2=", "completion": "4"}"#, template: .none).rows[0]
        #expect(split(row) == ("2+2=", "4<|endoftext|>"))
    }

    @Test func everyAssistantTurnOfAChatIsLearned() throws {
        let text =
            #"{"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]}"#
        let row = try load(text).rows[0]
        #expect(split(row).target == "b<|im_end|>d<|im_end|>")
        #expect(tokenizer.decode(Array(row.tokens[row.promptTokenCount...]), skipSpecial: false) == "d<|im_end|>")
        // As a prompt, earlier answers are context.
        let prompt =
            #"{"prompt": [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}], "completion": "d"}"#
        let other = try load(prompt).rows[0]
        #expect(split(other).target == "d<|im_end|>")
        #expect(other.tokens == row.tokens)
    }

    @Test func labelsAnswerTheirText() throws {
        let row = try load(#"{"text": "Which section?", "label": "libs"}"#).rows[0]
        #expect(split(row).target == "libs<|im_end|>")
        var same = try load(#"{"prompt": "Which section?", "completion": "libs"}"#).rows[0]
        #expect(row.label == "libs" && same.label == nil)
        same.label = "libs"
        #expect(row == same)
        #expect((row.prompt, row.completion) == ("Which section?", "libs"))
        let renamed = try load(#"{"text": "a", "class": "b"}"#, fields: ["label": "class"])
        #expect(split(renamed.rows[0]).target == "b<|im_end|>")
    }

    @Test func plainTextIsLearnedWhole() throws {
        let row = try load(#"{"text": "abc"}"#, template: .none).rows[0]
        #expect(row.isTarget == [false, true, true, true])
        let withBOS = try Dataset.load(
            folder.file("data.jsonl"), tokenizer: makeTokenizer(bos: true),
            options: DatasetOptions(maxLength: 10, chatTemplate: .none))
        #expect(withBOS.rows[0].isTarget == [false, true, true, true, true])
    }

    @Test func arraysFoldersFieldsAndLimits() throws {
        let array = try load(
            #" [{"q": "a", "a": "b"}, {"q": "c", "a": "d"}]"#, fields: ["prompt": "q", "completion": "a"])
        #expect(array.rows.map(\.completion) == ["b", "d"])
        #expect(try load("{\"text\":\"a b\"}\n\n{\"text\":\"c d\"}\n", limit: 1).rows.count == 1)
        _ = try write(#"{"text": "one two"}"#, "train.jsonl")
        _ = try write(#"{"text": "three four"}"#, "validation.jsonl")
        func file(_ split: String) throws -> String { try Dataset.resolve(folder.path, split: split) }
        #expect(try file("train").hasSuffix("/train.jsonl"))
        #expect(try file("valid").hasSuffix("/validation.jsonl"))
        #expect { try file("test") } throws: {
            "\($0)".contains("only data.jsonl, train.jsonl, validation.jsonl; expected test.jsonl")
        }
    }

    @Test func longPromptsAreCutFromTheLeft() throws {
        let text = #"{"prompt": "0123456789", "completion": "ab"}"#
        let data = try load(text, template: .none, maxLength: 8)
        #expect(split(data.rows[0]) == ("56789", "ab<|endoftext|>"))
        #expect((data.cutPromptCount, data.rows[0].promptTokenCount) == (1, 5))
        #expect(try load(text, template: .none, maxLength: 13).cutPromptCount == 0)
        // One token must be left to predict from.
        #expect(try load(text, template: .none, maxLength: 4).rows[0].tokens.count == 4)
        #expect { try load(text, template: .none, maxLength: 3) } throws: {
            "\($0)".contains(
                "data.jsonl:1: the answer has 3 tokens; expected at most 2 (--max-length 3); shorten it, raise")
        }
        #expect { try load(#"{"text": "abc"}"#, template: .none, maxLength: 3) } throws: {
            "\($0)".contains("data.jsonl:1: the row has 4 tokens; expected at most 3 (--max-length 3)")
        }
        let chat =
            #"{"messages": [{"role": "user", "content": "aaa"}, {"role": "assistant", "content": "b"}, {"role": "user", "content": "c"}, {"role": "assistant", "content": "d"}]}"#
        #expect { try load(chat, template: .none, maxLength: 5) } throws: {
            "\($0)".contains("the row has 5 tokens from its first answer on; expected at most 4 (--max-length 5)")
        }
    }

    static let refused: [(text: String, message: String)] = [
        ("", "an empty file; expected one JSON object per line; check the file"),
        (" \n\n", "an empty file; expected one JSON object per line; check the file"),
        ("GGUF\u{3}", "a GGUF file; expected one JSON object per line; a GGUF file is a model: give it with --model"),
        ("\n{\n  \"text\": \"a\"\n}\n", ":2: malformed JSON"),
        ("{ \r\n\"text\": \"a\"\r\n}\r\n", "one object per line: jq -c . "),
        ("{\"prompt\": \"a\", \"completion\": \"b\"}\n{\"prompt\": \"a\", \"comple", ":2: malformed JSON"),
        (
            "{\"prompt\": \"a\", \"completion\": \"b\"}\n\n{\"prompt\": \"a\", \"completion\": \"\"}",
            ":3: row has no target tokens"
        ),
        (#"{"prompt": "a", "completion": 5}"#, ":1: \"completion\" is a number; expected a string or a list"),
        (#"{"prompt": "a", "completion": false}"#, ":1: \"completion\" is true or false; expected a string or"),
        (#"{"prompt": {}, "completion": "b"}"#, ":1: \"prompt\" is an object; expected a string or a list"),
        (
            #"{"question": "a", "answer": "b"}"#,
            ":1: keys \"answer\", \"question\"; expected \"prompt\" and \"completion\""
        ),
        (
            #"{"question": "a", "answer": "b", "id": 7}"#,
            "map them: --field prompt=NAME --field completion=NAME with NAME one of \"answer\", \"question\""
        ),
        (#"{"q": "a", "a": "b", "c": "d"}"#, "map them: --field prompt=question --field completion=answer"),
        ("{}", ":1: no keys; expected \"prompt\" and"),
        ("{\"text\": \"a b\"}\n{\"txt\": \"b\"}", ":2: no key \"text\" (found \"txt\")"),
        ("{\"text\": \"a\", \"label\": \"b\"}\n{\"text\": \"a\"}", ":2: no key \"label\" (found \"text\")"),
        (#"{"text": "a", "label": ""}"#, ":1: row has no target tokens: an empty \"label\""),
        (#"{"text": "a", "label": true}"#, ":1: \"label\" is true or false; expected a string or a whole number"),
        (#"{"text": "a", "label": 1.5}"#, ":1: \"label\" is a number"),
        (#"{"text": "a", "label": 1.0}"#, ":1: \"label\" is a number"),
        (#"{"text": "a", "label": null}"#, ":1: \"label\" is null"),
        (#"{"text": "a", "label": [1]}"#, ":1: \"label\" is a list"),
        ("\u{FEFF}", "an empty file"),
        ("\u{FEFF}[{\"text\": \"a\"},\n {\"text\": 5}]", ":2: \"text\" is a number"),
        (#"["a"]"#, ":1: JSON that is not an object"),
        (#"[{"text": "a b"}"#, "not a whole JSON array"),
        ("[{\"text\": \"a\"},\n {\"text\": \"b\"\n]", ":3: not a whole JSON array"),
        ("[\n{\"text\": \"a ] , b\"},\n\n{\"text\": 5}]", ":4: \"text\" is a number"),
        ("[{\"text\": \"a\"}\n{\"text\": \"b\"}]", ":1: malformed JSON"),
        ("[{\"text\": \"a\"},\n]", ":2: malformed JSON"),
        ("[{\"text\": \"a\"}]\n{}", ":2: not a whole JSON array"),
        ("[]", "no rows"),
        (#"{"instruction": "a", "input": 3, "output": "b"}"#, ":1: \"input\" is a number"),
        (#"{"instruction": "a", "output": ""}"#, ":1: row has no target tokens: an empty \"output\""),
        (#"{"conversations": [{"from": "human", "value": "a"}]}"#, ":1: row has no target tokens"),
        (#"{"conversations": [{"from": "robot", "value": "a"}]}"#, ":1: a turn from \"robot\"; expected system, human"),
        (#"{"conversations": [{"role": "user", "content": "a"}]}"#, "expected turns with \"from\" and \"value\""),
        (#"7"#, ":1: JSON that is not an object"),
        (#"{"messages": [{"role": "user", "content": "a"}]}"#, ":1: row has no target tokens"),
        (#"{"messages": []}"#, ":1: \"messages\" is an empty list"),
        (#"{"messages": "a"}"#, ":1: \"messages\" is a string; expected a list of messages"),
        (#"{"messages": ["a"]}"#, ":1: \"messages\" holds a string; expected messages with"),
        (
            #"{"messages": [{"role": "user", "content": ["a"]}]}"#,
            ":1: \"content\" inside \"messages\" is a list; expected messages with"
        ),
        (
            #"{"messages": [{"role": "robot", "content": "a"}]}"#,
            ":1: role \"robot\"; expected system, user, assistant or tool; rename the role, or pass --skip-bad-rows"
        ),
        (
            #"{"messages": [{"role": "assistant", "content": null, "tool_calls": [{"id": "1"}]}]}"#,
            ":1: \"tool_calls\" inside \"messages\"; expected turns that are text alone"
        ),
        (#"{"messages": [{"role": "user", "content": "a", "tool_calls": {}}]}"#, ":1: \"tool_calls\" inside"),
        (#"{"messages": [{"role": "user", "content": "a", "tool_calls": []}]}"#, ":1: row has no target tokens"),
        (#"{"messages": [{"role": "user", "content": "a", "tool_calls": null}]}"#, ":1: row has no target tokens"),
        (
            #"{"messages": [{"role": "user"}]}"#,
            "no \"content\" inside \"messages\"; expected messages with \"role\" and \"content\""
        ),
    ]

    @Test(arguments: refused) func badFilesAreNamedByFileAndLine(text: String, message: String) throws {
        #expect { try load(text) } throws: { error in
            "\(error)".hasPrefix(folder.file("data.jsonl")) && "\(error)".contains(message)
        }
    }

    /// What is said of `--field` where it does not fit the file.
    static let unmapped: [(text: String, fields: [String: String], message: String)] = [
        (
            #"{"prompt": "a", "completion": "b"}"#, ["prompt": "product"],
            ":1: no key \"product\" (--field prompt=product); found \"completion\", \"prompt\"; expected every key "
                + "that --field names; correct the names; --field holds for every file of the folder"
        ),
        (
            #"{"q": "a"}"#, ["prompt": "x", "completion": "y"],
            ":1: no key \"x\" (--field prompt=x), no key \"y\" (--field completion=y); found \"q\""
        ),
        (
            #"{"product": "a", "blurb": "b"}"#, ["prompt": "product"],
            ":1: \"product\" is read as prompt, and there is no \"completion\"; expected a key for completion; "
                + "map it: --field completion=blurb"
        ),
        (
            #"{"product": "a", "blurb": "b", "long": "c"}"#, ["completion": "blurb"],
            "expected a key for prompt; map it: --field prompt=NAME with NAME one of \"long\", \"product\""
        ),
        (
            #"{"input": "a", "answer": "b"}"#, ["output": "answer"],
            "expected a key for instruction; add it to every row, or map other keys"
        ),
        (
            #"{"q": "a", "a": "b"}"#, ["label": "a"],
            ":1: keys \"a\", \"q\"; expected \"prompt\" and \"completion\""
        ),
    ]

    @Test(arguments: unmapped.indices) func fieldsThatDoNotFit(number: Int) throws {
        let (text, fields, message) = Self.unmapped[number]
        #expect { try load(text, fields: fields) } throws: { "\($0)".contains(message) }
    }

    @Test func keysThatAreNotRead() throws {
        #expect(try load(#"{"prompt": "a", "response": "b", "text": "c"}"#).unusedKeys == ["prompt", "response"])
        let row = #"{"instruction": "a", "input": "b", "output": "c", "label": "d", "id": 1}"#
        #expect(try load(row).unusedKeys == ["id"])
        #expect(try load(row, fields: ["label": "id"]).unusedKeys == ["label"])
        #expect(try load(#"{"text": "a", "label": "b"}"#).unusedKeys.isEmpty)
    }

    @Test func tablesAndEmptyFiles() throws {
        for name in ["rows.csv", "rows.TSV"] {
            let file = try write("prompt,completion\na,b\n", name)
            let options = DatasetOptions(maxLength: 9, chatTemplate: .none)
            #expect { try Dataset.load(file, tokenizer: tokenizer, options: options) } throws: {
                "\($0)".contains("\(name):1: malformed JSON")
                    && "\($0)".hasSuffix("convert the table to JSON Lines, one object per row of it")
            }
        }
        let empty = try write("", "train.jsonl")
        for path in [empty, folder.path] {
            #expect { try Dataset.resolve(path, split: "train") } throws: {
                "\($0)" == "\(empty): an empty file; expected one JSON object per line; check the file"
            }
        }
    }

    @Test func bytesThatAreNotUTF8() throws {
        try Data([0x7B, 0x22, 0xFF, 0x22, 0x7D]).write(to: URL(fileURLWithPath: folder.file("b")))
        #expect {
            try Dataset.load(
                folder.file("b"), tokenizer: tokenizer, options: DatasetOptions(maxLength: 9, chatTemplate: .none))
        } throws: { "\($0)".contains(":1: not UTF-8") }
    }

    @Test func badRowsCanBeSkipped() throws {
        let text = "{\"text\": \"a b\"}\nnonsense\n{\"text\": 5}\n{\"text\": \"c d\"}"
        let data = try load(text, template: .none, skip: true)
        #expect(data.rows.map(\.line) == [1, 4])
        #expect(data.skippedCount == 2)
        #expect { try load("nonsense", skip: true) } throws: { "\($0)".contains("no usable row (1 skipped)") }
    }
}
