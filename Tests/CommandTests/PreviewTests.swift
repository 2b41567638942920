import Foundation
import TestSupport
import Testing

/// What `neft preview` shows.
@Suite struct PreviewTests {
    private static let preview = ["preview", "-m", "model", "-d", "rows.jsonl"]

    @Test func coloursOnlyWhereTheyAreWanted() async throws {
        let sandbox = try Sandbox()
        try sandbox.write("rows.jsonl", #"{"prompt": "x\ny", "completion": "z"}"#)
        let plain = try await sandbox.neft(Self.preview)
        #expect(plain.exitCode == 0 && !plain.stdout.contains("\u{1B}") && plain.stdout.contains("⟦z<|im_end|>⟧"))
        #expect(try await sandbox.neft(Self.preview + ["--color", "never"]).stdout == plain.stdout)
        let coloured = try await sandbox.neft(Self.preview + ["--color", "always"])
        // Each token by itself; learned ones on a background that ends before a line does.
        #expect(coloured.stdout.contains("m<|im_start|>\u{1B}[0m"), "\(coloured)")
        #expect(coloured.stdout.contains("m↵\u{1B}[0m\n"), "\(coloured)")
        #expect(
            coloured.stdout.contains("\u{1B}[30;48;5;157mz\u{1B}[0m")
                || coloured.stdout.contains("\u{1B}[30;48;5;114mz\u{1B}[0m"), "\(coloured)")
        #expect(!coloured.stdout.contains("⟦"))
    }

    @Test func lengthsCutsAndSkippedRows() async throws {
        let sandbox = try Sandbox()
        let rows = (1...40).map { #"{"instruction": "\#(String(repeating: "a", count: $0))", "output": "b"}"# }
        try sandbox.write("rows.jsonl", (rows + ["broken", #"{"instruction": "a"}"#]).joined(separator: "\n"))
        let options = Self.preview + ["--skip-bad-rows", "--chat-template", "none", "--max-length", "30"]
        let text = try await sandbox.neft(options + ["--show", "1"])
        #expect(text.exitCode == 0, "\(text)")
        #expect(text.stderr.contains("rows.jsonl: 40 rows, recognised as Alpaca; chat template none"), "\(text)")
        #expect(text.stdout.contains("30–34 tokens  ████████████████████████████████████████ 13"), "\(text)")
        #expect(text.stdout.contains("--- 40 rows (Alpaca), "), "\(text)")
        #expect(text.stdout.contains("longest row 30 tokens, 12 rows cut, 2 rows left out"), "\(text)")
        let json = try await sandbox.neft(options + ["--json"])
        let document = try #require(try JSONSerialization.jsonObject(with: Data(json.stdout.utf8)) as? [String: Any])
        #expect(document["format"] as? String == "Alpaca")
        let lengths = try #require(document["lengths"] as? [[String: Int]])
        #expect(lengths.last == ["from": 30, "to": 34, "rows": 13])
        #expect(lengths.compactMap { $0["rows"] }.reduce(0, +) == 40)
    }

    /// Names of keys come one by one, together, and from a file.
    @Test func fields() async throws {
        let sandbox = try Sandbox()
        try sandbox.write("rows.jsonl", #"[{"question": "a", "answer": "b", "id": 1}]"#)
        try sandbox.write("options.yaml", "field: prompt=question,completion=answer\n")
        for options in [
            ["--field", "prompt=question", "--field", "completion=answer"],
            ["--field", "prompt=question,completion=answer"], ["--config", "options.yaml"],
        ] {
            let outcome = try await sandbox.neft(Self.preview + options)
            #expect(outcome.exitCode == 0 && outcome.stdout.contains("⟦b<|im_end|>⟧"), "\(outcome)")
            let form = "recognised as prompt–completion; not used: \"id\"; chat template"
            #expect(outcome.stderr.contains(form), "\(outcome)")
        }
    }

    /// `--chat-template` writes what it says, whatever the model's own is.
    @Test(arguments: ["llama2", "llama3", "mistral", "zephyr", "alpaca"]) func templates(name: String) async throws {
        let sandbox = try Sandbox()
        try sandbox.write("rows.jsonl", #"{"prompt": "x", "completion": "z"}"#)
        let outcome = try await sandbox.neft(Self.preview + ["--chat-template", name])
        let learned = [
            "llama2": "[/INST]⟦ z <|im_end|>⟧", "llama3": "<|end_header_id|>\n\n⟦z<|eot_id|>⟧",
            "mistral": "[INST] x [/INST]⟦z<|im_end|>⟧", "zephyr": "<|assistant|>\n⟦z<|im_end|>⟧",
            "alpaca": "### Response:\n⟦z<|im_end|>⟧",
        ]
        let text = try #require(learned[name])
        #expect(outcome.exitCode == 0 && outcome.stdout.contains(text), "\(outcome)")
        // The tiny model has no such token.
        #expect(outcome.stderr.contains("no token of this model") == (name == "llama3"), "\(outcome)")
    }
}
