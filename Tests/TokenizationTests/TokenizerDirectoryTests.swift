import Foundation
import Testing

@testable import Tokenization

/// A small tokenizer.json made by the `tokenizers` library, and variants of its parts, against that library's ids.
struct TokenizerDirectoryTests {
    private struct Case: Decodable {
        struct Row: Decodable {
            let text: String
            let ids: [Int32]
            let decoded: String
        }
        let name: String
        let rows: [Row]
    }

    @Test func idsAreTheReferences() throws {
        let made = Fixtures.directory.appendingPathComponent("made")
        let data = try Data(contentsOf: made.appendingPathComponent("cases.json"))
        let cases = try JSONDecoder().decode([Case].self, from: data)
        // The patches hold JSON of any kind, which `Case` leaves out.
        let raw = try #require(try JSONSerialization.jsonObject(with: data) as? [[String: Any]])
        #expect(cases.count == 13)
        for (index, variant) in cases.enumerated() {
            let patch = try #require(raw[index]["patch"] as? [String: Any])
            let directory = try TokenizerDirectory(patching: patch)
            let tokenizer = try directory.tokenizer()
            for row in variant.rows {
                #expect(tokenizer.encode(row.text) == row.ids, "\(variant.name): \(row.text.debugDescription)")
                let decoded = tokenizer.decode(row.ids)
                #expect(decoded.utf8.elementsEqual(row.decoded.utf8), "\(variant.name): \(row.text.debugDescription)")
            }
        }
    }

    @Test func endOfTextAndSpecialTokens() throws {
        let tokenizer = try TokenizerDirectory(patching: [:]).tokenizer()
        #expect(tokenizer.vocabularySize == 405)
        #expect(tokenizer.eosToken == 0)
        #expect(tokenizer.bosToken == nil)
        #expect(!tokenizer.addsBOS)
        #expect(tokenizer.chatTemplateSource == nil)
        #expect(tokenizer.encode("<|end|>") == [0])
        let plain = tokenizer.encode("<|end|><user>", parseSpecial: false)
        #expect(!plain.contains(0))
        #expect(plain.last == 401, "user-defined tokens are found either way")
        #expect(tokenizer.decode(plain) == "<|end|><user>")
        #expect(tokenizer.decode([0, 401]) == "<user>")
        #expect(tokenizer.decode([0, 401], skipSpecial: false) == "<|end|><user>")
    }

    @Test func postProcessorThatAddsBOS() throws {
        let template: [String: Any] = [
            "type": "TemplateProcessing",
            "single": [
                ["SpecialToken": ["id": "<unk>", "type_id": 0]], ["Sequence": ["id": "A", "type_id": 0]],
            ],
        ]
        let sequence: [String: Any] = ["type": "Sequence", "processors": [["type": "ByteLevel"], template]]
        for step in [template, sequence] {
            let tokenizer = try TokenizerDirectory(patching: ["post_processor": step]).tokenizer()
            #expect(tokenizer.addsBOS)
            #expect(tokenizer.bosToken == 1)
            #expect(tokenizer.encode("the").first != 1, "encode leaves BOS to its caller")
        }
    }

    @Test func chatTemplateSources() throws {
        let directory = try TokenizerDirectory(patching: [:])
        try directory.write("tokenizer_config.json", #"{"eos_token": "<|end|>", "chat_template": "one"}"#)
        #expect(try directory.tokenizer().chatTemplateSource == "one")
        try directory.write(
            "tokenizer_config.json",
            #"{"chat_template": [{"name": "rag", "template": "no"}, {"name": "default", "template": "two"}]}"#)
        #expect(try directory.tokenizer().chatTemplateSource == "two")
        try directory.write("chat_template.jinja", "three")
        #expect(try directory.tokenizer().chatTemplateSource == "three")
    }
}
