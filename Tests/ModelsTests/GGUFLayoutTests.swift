import Checkpoints
import Foundation
import TestSupport
import Testing

@testable import Models

@Suite struct GGUFLayoutTests {
    private let layout = GGUFLayout(permutesQueryAndKey: true, headDim: 8)

    @Test func rowsGoThereAndBack() throws {
        let rows = try #require(layout.rows(of: "model.layers.3.self_attn.k_proj.weight"))
        let back = try #require(layout.ggufRows(of: "model.layers.3.self_attn.k_proj.weight"))
        #expect((0..<32).map { back(rows($0)) } == Array(0..<32))
        // The two halves of each head, interleaved.
        #expect((0..<16).map(rows) == [0, 4, 1, 5, 2, 6, 3, 7, 8, 12, 9, 13, 10, 14, 11, 15])
    }

    @Test func onlyQueryAndKeyOfFamiliesThatDoSo() {
        #expect(layout.rows(of: "model.layers.0.self_attn.v_proj.weight") == nil)
        #expect(layout.rows(of: "model.embed_tokens.weight") == nil)
        let plain = GGUFLayout(permutesQueryAndKey: false, headDim: 8)
        #expect(plain.rows(of: "model.layers.0.self_attn.q_proj.weight") == nil)
    }

    /// What is written from scratch says the same as what was read.
    @Test(arguments: ["tiny", "tiny-qwen2", "tiny-qwen3", "tiny-llama3"])
    func familyDescribesItsModel(name: String) throws {
        let files = try ModelFiles.open(FixturePath.committed("parity/\(name)"))
        let family = try ModelFamily(of: files)
        let configuration = try Decoder.configuration(of: files)
        let scratch = try TemporaryFolder()
        var writer = GGUFWriter()
        for (key, value) in try family.ggufMetadata(file: name) { writer.set(key, value) }
        var tensors = [("token_embd.weight", [configuration.vocabularySize, configuration.hiddenSize])]
        if !configuration.tiedHead { tensors.append(("output.weight", tensors[0].1)) }
        for (name, shape) in tensors {
            writer.add(name, shape: shape, type: .f32) { _, out in out.update(repeating: 0, count: shape[1]) }
        }
        if let divisors = family.ggufRoPEDivisors {
            writer.add("rope_freqs.weight", shape: [divisors.count], type: .f32) { _, out in
                out.update(from: divisors, count: divisors.count)
            }
        }
        try writer.write(to: scratch.file("a.gguf"))
        let written = try ModelFiles.open(scratch.file("a.gguf"))
        var again = try Decoder.configuration(of: written)
        for (mine, theirs) in zip(again.ropeDivisors, configuration.ropeDivisors) {
            #expect(abs(mine - theirs) <= 1e-6 * theirs)
        }
        #expect(again.ropeDivisors.count == configuration.ropeDivisors.count)
        again.ropeDivisors = configuration.ropeDivisors
        #expect(again == configuration)

        // The fixture of Llama 3's scaling has numbers of its own, which config.json cannot be made of again.
        guard name != "tiny-llama3" else {
            #expect(throws: CheckpointError.self) { try family.configurationFile(file: name) }
            return
        }
        let values = try family.configurationFile(file: name)
        #expect(values["rms_norm_eps"] as? Double == Double("\(configuration.rmsNormEps)"))
        let data = try JSONSerialization.data(withJSONObject: values)
        try data.write(to: URL(fileURLWithPath: scratch.file("config.json")))
        let config = try ConfigurationFile(path: scratch.file("config.json"))
        let type = try #require(Architectures.named(modelType: try config.text("model_type")))
        #expect(try type.configuration(config) == configuration)
    }

    /// The divisors of Llama 3.1 to 3.3 are recognised, linear ones written as a factor.
    @Test func scaledRotaryPositionsAreRecognised() throws {
        let scratch = try TemporaryFolder()
        func configuration(_ rope: String) throws -> DecoderConfiguration {
            let text = """
                {"model_type": "llama", "hidden_size": 512, "intermediate_size": 8, "num_hidden_layers": 1,
                 "num_attention_heads": 4, "vocab_size": 8, "max_position_embeddings": 131072, "rope_theta": 500000.0,
                 "rope_scaling": \(rope)}
                """
            try text.write(toFile: scratch.file("config.json"), atomically: true, encoding: .utf8)
            return try Llama.configuration(ConfigurationFile(path: scratch.file("config.json")))
        }
        for factor in [8, 32] {
            let section = """
                {"rope_type": "llama3", "factor": \(factor).0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
                 "original_max_position_embeddings": 8192}
                """
            let found = try #require(RoPEScaling.llama3Section(of: configuration(section)))
            #expect(found["factor"] as? Double == Double(factor))
        }
        let other = try configuration(
            """
            {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 2.0, "high_freq_factor": 4.0,
             "original_max_position_embeddings": 8192}
            """)
        #expect(RoPEScaling.llama3Section(of: other) == nil)
    }
}
