import Checkpoints
import Foundation
import Kernels
import Models
import TestSupport
import Testing
import Tokenization

@testable import Exporting

/// A template in the place of the source's, in both formats and of both kinds of sources.
@Suite struct ChosenTemplateTests {
    /// A template that neft does not know, with a default system turn.
    private static let unknown =
        #"{% if tools %}{{ tools }}{% else %}{{ '<|im_start|>system\nIt\'s "you".<|im_end|>\n' }}{% endif %}"#
    private static let endOfText = "<|endoftext|>"
    private static let prompt: [Int32] = [5, 9, 2, 77, 31]

    /// A model in a folder, and what it answers.
    private struct Source {
        let path: String
        /// Ends its answer.
        let end: Int32
        /// Ends texts; never in its answer, unless it is `end`.
        let endOfText: Int32
        /// What it answers to `prompt` before `end`.
        let answer: [Int32]
    }

    private func load(_ path: String) throws -> (files: ModelFiles, model: Decoder, tokenizer: Tokenizer) {
        let files = try ModelFiles.open(path)
        return (files, try Decoder.load(files, team: WorkerTeam(threads: 1)), try Tokenizer.load(files))
    }

    /// A tiny model with a tokenizer in which the fifth token that it generates is `end`.
    private func makeSource(end: String, in folder: String) throws -> Source {
        let files = try ModelFiles.open(FixturePath.committed("parity/tiny"))
        let model = try Decoder.load(files, team: WorkerTeam(threads: 1))
        let free = model.generateGreedy(prompts: [Self.prompt], maxNewTokens: 8, endTokens: [])[0]
        let id = free[4]
        let unused = (Int32(0)..<128).first { !free.contains($0) }
        let other = try #require(unused)
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try ModelDirectoryWriter(source: files).write(model, to: folder)
        var specials = [Self.endOfText: other]
        specials[end] = id
        try writeTokenizer(specials, to: folder)
        return Source(
            path: folder, end: id, endOfText: specials[Self.endOfText] ?? id, answer: Array(free.prefix { $0 != id }))
    }

    private func writeTokenizer(_ specials: [String: Int32], to folder: String) throws {
        // Printable ASCII, space and newline; the rest holds places.
        let letters = (UInt8(33)...126).map { String(Unicode.Scalar($0)) } + ["\u{120}", "\u{10A}"]
        let free = (Int32(0)..<128).filter { !specials.values.contains($0) }
        var vocabulary: [String: Int32] = [:]
        for (id, text) in zip(free, letters + (0..<32).map { "place\($0)" }) { vocabulary[text] = id }
        let added = specials.sorted { $0.value < $1.value }.map { text, id -> [String: Any] in
            [
                "id": Int(id), "content": text, "special": true, "normalized": false, "lstrip": false, "rstrip": false,
                "single_word": false,
            ]
        }
        let byteLevel: [String: Any] = ["type": "ByteLevel", "add_prefix_space": false, "use_regex": true]
        let tokenizer: [String: Any] = [
            "version": "1.0", "added_tokens": added, "pre_tokenizer": byteLevel, "decoder": ["type": "ByteLevel"],
            "model": ["type": "BPE", "vocab": vocabulary.mapValues { Int($0) }, "merges": [String]()] as [String: Any],
        ]
        try AtomicFile.write(try ModelDirectoryWriter.json(tokenizer), to: folder + "/tokenizer.json")
        let configuration = """
            {"eos_token": \(JSONText.quoted(Self.endOfText)), "model_max_length": 1000000000000000019884624838656,
             "chat_template": \(JSONText.quoted(Self.unknown))}
            """
        try AtomicFile.write(configuration, to: folder + "/tokenizer_config.json")
    }

    private func object(_ path: String) throws -> [String: Any] {
        let data = try Data(contentsOf: URL(fileURLWithPath: path))
        return try #require(try JSONSerialization.jsonObject(with: data) as? [String: Any])
    }

    /// Reads a written model as neft does: its template is recognised, and it answers to the end of a turn.
    private func expect(_ path: String, has template: ChatTemplate, answering source: Source) throws {
        let (_, model, tokenizer) = try load(path)
        let found = try ChatTemplate.detect(
            source: tokenizer.chatTemplateSource, file: path, marks: tokenizer.marks)
        #expect(found == template)
        let ends = [tokenizer.eosToken, found.endToken.flatMap { tokenizer.tokenID($0) }].compactMap { $0 }
        #expect(ends.contains(source.end))
        #expect(
            model.generateGreedy(prompts: [Self.prompt], maxNewTokens: 8, endTokens: Set(ends)) == [source.answer])
    }

    /// What transformers stops at.
    private func expectDirectory(_ path: String, has template: ChatTemplate, answering source: Source) throws {
        try expect(path, has: template, answering: source)
        let configuration = try object(path + "/tokenizer_config.json")
        #expect(configuration["chat_template"] as? String == template.jinjaSource)
        #expect(try String(contentsOfFile: path + "/chat_template.jinja", encoding: .utf8) == template.jinjaSource)
        #expect(configuration["eos_token"] as? String == Self.endOfText)
        let ends = try ConfigurationFile(path: path + "/generation_config.json").integers("eos_token_id")
        #expect(ends.last == Int(source.end) && Set(ends).count == ends.count)
    }

    /// What llama.cpp stops at.
    private func expectFile(_ path: String, has template: ChatTemplate, answering source: Source) throws {
        try expect(path, has: template, answering: source)
        let metadata = try GGUFFile(path: path).metadata
        #expect(metadata["tokenizer.chat_template"]?.text == template.jinjaSource)
        #expect(metadata["tokenizer.ggml.eot_token_id"]?.integer == Int(source.end))
        #expect(metadata["tokenizer.ggml.eos_token_id"]?.integer == Int(source.endOfText))
    }

    @Test(arguments: ChatTemplate.names)
    func everyTemplateInBothFormats(name: String) throws {
        let scratch = try TemporaryFolder()
        let ends = ["chatml": "<|im_end|>", "llama3": "<|eot_id|>"]
        let source = try makeSource(end: ends[name] ?? Self.endOfText, in: scratch.file("source"))
        let (files, model, tokenizer) = try load(source.path)
        #expect(throws: TokenizationError.self) {
            try ChatTemplate.detect(source: tokenizer.chatTemplateSource, file: "m")
        }
        let template = try ChatTemplate(
            named: name, source: tokenizer.chatTemplateSource, marks: tokenizer.marks)
        if name == "chatml" { #expect(template == .chatml(defaultSystem: "It's \"you\".")) }
        let chosen = ChosenTemplate(template, tokenizer: tokenizer)
        #expect(chosen.endToken == source.end)

        try FileManager.default.createDirectory(
            atPath: scratch.file("hf"), withIntermediateDirectories: true)
        try ModelDirectoryWriter(source: files, template: chosen).write(model, to: scratch.file("hf"))
        try expectDirectory(scratch.file("hf"), has: template, answering: source)
        #expect(try scratch.text("hf/config.json") == scratch.text("source/config.json"))
        #expect(try scratch.text("hf/tokenizer.json") == scratch.text("source/tokenizer.json"))
        let length = try object(scratch.file("hf/tokenizer_config.json"))["model_max_length"] as? NSNumber
        #expect(abs((length?.doubleValue ?? 0) / 1e30 - 1) < 1e-12)

        try GGUFModelWriter(source: files, type: .f32, template: chosen).write(
            model, changed: nil, name: "", to: scratch.file("a.gguf"))
        try expectFile(scratch.file("a.gguf"), has: template, answering: source)

        // Of a GGUF source with another template, which is replaced; and the way back.
        try GGUFModelWriter(source: files, type: .f32).write(
            model, changed: nil, name: "", to: scratch.file("plain.gguf"))
        let plain = try ModelFiles.open(scratch.file("plain.gguf"))
        try GGUFModelWriter(source: plain, type: .f32, template: chosen).write(
            model, changed: [], name: "", to: scratch.file("b.gguf"))
        try expectFile(scratch.file("b.gguf"), has: template, answering: source)
        try FileManager.default.createDirectory(
            atPath: scratch.file("back"), withIntermediateDirectories: true)
        try ModelDirectoryWriter(source: plain, template: chosen).write(model, to: scratch.file("back"))
        try expectDirectory(scratch.file("back"), has: template, answering: source)
    }

    /// Settings of the source's generation stay, and so do its end tokens; without a choice every file does.
    @Test func endTokensComeToTheSources() throws {
        let scratch = try TemporaryFolder()
        let source = try makeSource(end: "<|im_end|>", in: scratch.file("source"))
        let (files, model, tokenizer) = try load(source.path)
        let chosen = ChosenTemplate(.chatml(defaultSystem: nil), tokenizer: tokenizer)
        let end = Int(source.end)
        let cases: [(settings: String, expected: [Int])] = [
            (#"{"eos_token_id": 900, "temperature": 0.6}"#, [900, end]),
            (#"{"eos_token_id": [900, 901], "temperature": 0.6}"#, [900, 901, end]),
            (#"{"eos_token_id": \#(end), "temperature": 0.6}"#, [end]),
            // That of config.json.
            (#"{"temperature": 0.6}"#, end == 2 ? [2] : [2, end]),
        ]
        for (number, (settings, expected)) in cases.enumerated() {
            try AtomicFile.write(settings, to: source.path + "/generation_config.json")
            let folder = scratch.file("out\(number)")
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
            try ModelDirectoryWriter(source: files, template: chosen).write(model, to: folder)
            let written = try ConfigurationFile(path: folder + "/generation_config.json")
            #expect(try written.integers("eos_token_id") == expected)
            #expect(try written.number("temperature") == 0.6)
            #expect(written.keys.count == 2)
        }
        let folder = scratch.file("plain")
        try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try ModelDirectoryWriter(source: files).write(model, to: folder)
        let names = ["generation_config.json", "tokenizer.json", "tokenizer_config.json"]
        for name in names { #expect(try scratch.text("plain/\(name)") == scratch.text("source/\(name)")) }
        #expect(!FileManager.default.fileExists(atPath: folder + "/chat_template.jinja"))
    }

    /// A text that only looks like a token ends nothing.
    @Test func endsThatAreNoTokens() throws {
        let scratch = try TemporaryFolder()
        let source = try makeSource(end: "<|im_end|>", in: scratch.file("source"))
        let (files, model, tokenizer) = try load(source.path)
        let chosen = ChosenTemplate(try ChatTemplate(named: "llama3", marks: tokenizer.marks), tokenizer: tokenizer)
        #expect(chosen.endToken == nil)
        try GGUFModelWriter(source: files, type: .f32, template: chosen).write(
            model, changed: nil, name: "", to: scratch.file("a.gguf"))
        let metadata = try GGUFFile(path: scratch.file("a.gguf")).metadata
        #expect(metadata["tokenizer.ggml.eot_token_id"] == nil)
        #expect(metadata["tokenizer.chat_template"]?.text == chosen.source)
    }
}
