import Checkpoints
import Datasets
import Foundation
import Kernels
import Models
import TestSupport
import Testing

/// Tiny models of each family against transformers, from both kinds of files.
@Suite struct FamilyTests {
    static let families = ["llama3", "mistral", "qwen2", "qwen3"]
    static let files = families.flatMap { name in ["tiny-\(name)", "tiny-\(name).gguf"].map { (name, $0) } }
    let rows = try! ParityFixture.decode([ParityFixture.Row].self, "rows.json")

    func load(_ path: String, compute: ComputeType = .float32) throws -> Decoder {
        try Decoder.load(ModelFiles.open(path), team: WorkerTeam(threads: 2), compute: compute)
    }

    @Test(arguments: files) func logitsAndLosses(name: String, file: String) throws {
        let model = try load(ParityFixture.path(file))
        let expected = try ParityFixture.tensors("tiny-\(name)-expected")
        for (number, row) in rows[..<6].enumerated() {
            let batch = ParityFixture.batch([row])
            #expect(relativeError(model.losses(batch), try expected.floats("losses.\(number)").values) < 1e-5)
            guard number == 2 || number == 5 else { continue }
            let logits = model.logits(
                batch, positions: stride(from: 0, to: Int32(row.tokens.count), by: 3).map { $0 })
            #expect(relativeError(logits, try expected.floats("logits.\(number)").values) < 1e-5)
        }
    }

    @Test(arguments: files) func gradients(name: String, file: String) throws {
        let model = try load(ParityFixture.path(file))
        let expected = try ParityFixture.tensors("tiny-\(name)-expected")
        let batch = ParityFixture.batch(Array(rows[..<6]))
        let all = model.allTrainable
        let gradient = model.gradients(batch, trainable: all, lossScale: 1 / Float(batch.targetCount)).gradient
        var compared = 0
        for entry in all.entries {
            let tensor = model.parameters[entry.parameter].tensor
            guard expected.entries["grad.\(tensor.name)"] != nil else { continue }
            let reference = try expected.floats("grad.\(tensor.name)", shape: tensor.shape).values
            let found = Array(gradient[entry.offset..<entry.offset + entry.count])
            let error = relativeError(found, reference)
            #expect(error < 2e-5, "\(tensor.name): \(error)")
            compared += 1
        }
        // Embedding, final norm, a head of its own; two norms and q, k, v, o of both layers; biases, or norms of heads.
        #expect(compared == ["llama3": 15, "mistral": 15, "qwen2": 20, "qwen3": 18][name])
    }

    @Test(arguments: files) func generation(name: String, file: String) throws {
        let model = try load(ParityFixture.path(file))
        let expected = try ParityFixture.tensors("tiny-\(name)-expected").integers("greedy")
        let prompt = rows[0].tokens
        let found = model.generateGreedy(prompts: [prompt, rows[3].tokens], maxNewTokens: 12, endTokens: [])
        #expect(prompt + found[0] == expected)
    }

    /// The checkpoint's own bfloat16 weights, in place and from the cache.
    @Test(.enabled(if: CPU.hasBFloat16), arguments: files) func bfloat16(name: String, file: String) throws {
        let folder = try TemporaryFolder()
        let model = try Decoder.load(
            ModelFiles.open(ParityFixture.path(file)), team: WorkerTeam(threads: 2), compute: .bfloat16,
            cache: folder.path)
        #expect(model.compute == .bfloat16)
        let expected = try ParityFixture.tensors("tiny-\(name)-expected").floats("losses.2").values
        let error = relativeError(model.losses(ParityFixture.batch([rows[2]])), expected)
        #expect(error < 0.02 && error > 1e-6)
        // Rows begin with the values of the file, not with rounded ones; what is kept is one file, of GGUF models.
        let single = try load(ParityFixture.path(file))
        for (half, exact) in zip(model.parameters, single.parameters) {
            #expect(half.tensor.values == exact.tensor.values, "\(half.tensor.name)")
            half.tensor.materialise([0])
            #expect((0..<half.columns).allSatisfy { half.tensor.pointer[$0] == exact.tensor.pointer[$0] })
        }
        let kept = try folder.names
        #expect(kept.count == (file.hasSuffix(".gguf") ? 1 : 0), "\(kept)")
        #expect(kept.allSatisfy { $0.hasSuffix("-bf16.safetensors") }, "\(kept)")
    }

    /// Directories of other types, and of several: products with rounded weights, rows that begin with the file's own values.
    @Test(.enabled(if: CPU.hasBFloat16), arguments: [["F32"], ["F16"], ["F32", "BF16", "F16"]])
    func bfloat16OfOtherTypes(types: [String]) throws {
        let (directory, folder) = (try TemporaryFolder(), try TemporaryFolder())
        try FileManager.default.copyItem(
            atPath: ParityFixture.path("tiny-qwen3/config.json"), toPath: directory.path + "/config.json")
        // Values that bfloat16 cannot hold.
        let tensors = try load(ParityFixture.path("tiny-qwen3")).parameters.map { parameter in
            let tensor = parameter.tensor
            for i in 0..<tensor.count { tensor.pointer[i] *= 1.0035 }
            return tensor
        }
        try writeCheckpoint(tensors, types: types, to: directory.path + "/model.safetensors")
        let single = try load(directory.path)
        let half = try Decoder.load(
            ModelFiles.open(directory.path), team: WorkerTeam(threads: 2), compute: .bfloat16, cache: folder.path)
        let batch = ParityFixture.batch([rows[2]])
        let error = relativeError(half.losses(batch), single.losses(batch))
        #expect(error < 0.02 && error > 1e-6)
        for (rounded, exact) in zip(half.parameters, single.parameters) {
            #expect(rounded.tensor.values == exact.tensor.values, "\(rounded.tensor.name)")
            rounded.tensor.materialise([0])
            #expect((0..<rounded.columns).allSatisfy { rounded.tensor.pointer[$0] == exact.tensor.pointer[$0] })
        }
        let kept = try folder.names
        #expect(kept.count == 1 && kept[0].hasSuffix("-bf16.safetensors"), "\(kept)")
    }

    @Test(arguments: families) func bothFilesHaveTheSameHash(name: String) throws {
        func hash(_ file: String) throws -> String {
            let model = try load(ParityFixture.path(file))
            return BaseHash.compute(
                configuration: model.canonicalConfiguration, tensors: model.parameters.map(\.tensor))
        }
        #expect(try hash("tiny-\(name)") == hash("tiny-\(name).gguf"))
    }

    @Test func parametersOfAFamily() throws {
        let qwen2 = try load(ParityFixture.path("tiny-qwen2"))
        let bias = try #require(qwen2.parameters.first { $0.role == .bias(layer: 1, .key) })
        #expect(bias.module == "model.layers.1.self_attn.k_proj" && bias.rows == 16 && bias.columns == 1)
        #expect(qwen2.parameters.count { $0.isBias } == 6)
        #expect(qwen2.configuration.neuronValues(of: .key) == 33 && qwen2.configuration.neuronValues(of: .output) == 32)
        let qwen3 = try load(ParityFixture.path("tiny-qwen3"))
        #expect(qwen3.configuration.headDim == 16 && qwen3.configuration.queryWidth == 64)
        let norms = qwen3.parameters.filter { $0.tensor.name.contains("q_norm") || $0.tensor.name.contains("k_norm") }
        #expect(norms.count == 4 && norms.allSatisfy { $0.tensor.count == 16 })
        #expect(try load(ParityFixture.path("tiny-llama3")).configuration.ropeDivisors[2...] == [8, 8])
        #expect(try load(ParityFixture.path("tiny-mistral")).contextLength == 64)
        #expect(try load(ParityFixture.path("tiny-mistral.gguf")).contextLength == 256)
    }

    /// The tiny model of a family with another `config.json`.
    func loadChanged(_ name: String, _ change: (inout [String: Any]) -> Void) throws -> (Decoder?, String) {
        let folder = try TemporaryFolder()
        let data = try Data(contentsOf: URL(fileURLWithPath: ParityFixture.path("tiny-\(name)/config.json")))
        var config = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
        change(&config)
        try JSONSerialization.data(withJSONObject: config).write(to: URL(fileURLWithPath: folder.file("config.json")))
        try FileManager.default.copyItem(
            atPath: ParityFixture.path("tiny-\(name)/model.safetensors"), toPath: folder.file("model.safetensors"))
        do { return (try load(folder.path), "") } catch { return (nil, "\(error)") }
    }

    @Test func linearScaling() throws {
        let model = try #require(
            try loadChanged("llama3") {
                // As older files have it.
                $0["rope_parameters"] = nil
                $0["rope_theta"] = 10_000
                $0["rope_scaling"] = ["type": "linear", "factor": 4]
            }.0)
        let expected = try ParityFixture.tensors("tiny-llama3-expected").floats("linear.losses.2").values
        #expect(relativeError(model.losses(ParityFixture.batch([rows[2]])), expected) < 1e-5)
    }

    @Test func whatIsNotComputedIsRefused() throws {
        func message(_ name: String, _ change: (inout [String: Any]) -> Void) throws -> String {
            try loadChanged(name, change).1
        }
        func scaling(_ values: [String: Any]) throws -> String {
            try message("llama3") { $0["rope_parameters"] = values }
        }
        #expect(
            try scaling(["rope_type": "yarn", "factor": 4]).contains(
                "rope_scaling: yarn; expected \"default\", linear or llama3"))
        #expect(try scaling(["rope_type": "linear"]).contains("rope_parameters.factor: missing"))
        #expect(
            try scaling(["rope_type": "linear", "factor": 0]).contains(
                "rope_parameters.factor: 0.0; expected numbers from 0.001 to 1000000.0"))
        #expect(
            try scaling([
                "rope_type": "llama3", "factor": 8, "low_freq_factor": 4, "high_freq_factor": 4,
                "original_max_position_embeddings": 64,
            ]).contains("high_freq_factor: 4.0; expected more than low_freq_factor, 4.0"))
        #expect(
            try message("qwen2") { $0["partial_rotary_factor"] = 0.5 }.contains(
                "partial_rotary_factor: 0.5; expected 1"))
        #expect(try message("qwen3") { $0["attention_bias"] = true }.contains("attention_bias: true; expected false"))
    }

    /// A model whose file calls it a Llama, though it has biases or norms of heads.
    @Test(arguments: [("qwen2", "blk.0.attn_k.bias"), ("qwen3", "blk.0.attn_k_norm.weight")])
    func tensorsThatWouldBeIgnoredAreRefused(name: String, tensor: String) throws {
        let folder = try TemporaryFolder()
        let data = try Data(contentsOf: URL(fileURLWithPath: ParityFixture.path("tiny-\(name).gguf")))
        var bytes = Array(data)
        for start in 0..<4_000 where bytes[start..<start + 5].elementsEqual(name.utf8) {
            bytes.replaceSubrange(start..<start + 5, with: "llama".utf8)
        }
        try Data(bytes).write(to: URL(fileURLWithPath: folder.file("model.gguf")))
        #expect { try load(folder.file("model.gguf")) } throws: {
            "\($0)".contains("\(tensor): a tensor that llama has not")
        }
    }

    /// Sizes of a GGUF file of metadata and the heads of two tensors, of Llama with heads of 8.
    func configuration(_ values: [(key: String, value: GGUFSample.Value)]) throws -> DecoderConfiguration {
        let folder = try TemporaryFolder()
        try GGUFSample.write(
            [
                ("general.architecture", .text("llama")), ("llama.embedding_length", .integer(32)),
                ("llama.feed_forward_length", .integer(48)), ("llama.block_count", .integer(1)),
                ("llama.attention.head_count", .integer(4)), ("llama.context_length", .integer(256)),
                ("llama.attention.layer_norm_rms_epsilon", .number(1e-5)),
            ] + values, to: folder.file("model.gguf"))
        return try Decoder.configuration(of: ModelFiles.open(folder.file("model.gguf")))
    }

    @Test func scalingInMetadata() throws {
        #expect(try configuration([]).ropeDivisors.isEmpty)
        #expect(try configuration([("llama.rope.scaling.type", .text("none"))]).ropeDivisors.isEmpty)
        let linear = try configuration([
            ("llama.rope.scaling.type", .text("linear")), ("llama.rope.scaling.factor", .number(4)),
        ])
        #expect(linear.ropeDivisors == [4, 4, 4, 4])
        #expect(try configuration([("llama.rope.scale_linear", .number(2))]).ropeDivisors == [2, 2, 2, 2])
        #expect(try configuration([("llama.attention.sliding_window", .integer(100))]).contextLength == 100)
        for (values, says) in [
            ([("llama.rope.scaling.type", .text("yarn"))], "llama.rope.scaling.type: yarn; expected none or linear"),
            (
                [("llama.rope.scaling.type", .text("linear")), ("llama.rope.scaling.factor", .number(-1))],
                "rope.scaling.factor: -1.0; expected numbers from 0.001 to 1000000.0"
            ),
            ([("llama.rope.dimension_count", .integer(4))], "llama.rope.dimension_count: 4; expected 8"),
            ([("llama.attention.value_length", .integer(16))], "llama.attention.value_length: 16; expected 8"),
        ] as [([(key: String, value: GGUFSample.Value)], String)] {
            #expect { try configuration(values) } throws: { "\($0)".contains(says) }
        }
    }

    /// Where `config.json` does not name the key-value heads, each family has its number; null is that of the heads.
    @Test(arguments: [("llama3", 64), ("mistral", 8), ("qwen2", 32), ("qwen3", 32)])
    func keyValueHeadsThatAreNotNamed(name: String, assumed: Int) throws {
        func heads(_ count: Int, _ change: (inout [String: Any]) -> Void) throws -> Int {
            let folder = try TemporaryFolder()
            let data = try Data(contentsOf: URL(fileURLWithPath: ParityFixture.path("tiny-\(name)/config.json")))
            var config = try #require(JSONSerialization.jsonObject(with: data) as? [String: Any])
            config["num_attention_heads"] = count
            config["head_dim"] = 8
            config["rope_parameters"] = nil
            config["rope_scaling"] = nil
            change(&config)
            try JSONSerialization.data(withJSONObject: config)
                .write(to: URL(fileURLWithPath: folder.file("config.json")))
            try FileManager.default.copyItem(
                atPath: ParityFixture.path("tiny-\(name)/model.safetensors"), toPath: folder.file("model.safetensors"))
            return try Decoder.configuration(of: ModelFiles.open(folder.path)).kvHeadCount
        }
        #expect(try heads(64) { $0["num_key_value_heads"] = nil } == assumed)
        #expect(try heads(64) { $0["num_key_value_heads"] = NSNull() } == 64)
        #expect(try heads(64) { $0["num_key_value_heads"] = 16 } == 16)
        if assumed < 64 {
            #expect { try heads(14) { $0["num_key_value_heads"] = nil } } throws: {
                "\($0)".contains(
                    "num_key_value_heads: missing, which stands for \(assumed); expected a divisor of the 14 ")
            }
        }
    }

    /// A window of attention is where the context ends; inside it there is no difference.
    @Test func windowsBoundTheContext() throws {
        func context(_ name: String, _ change: (inout [String: Any]) -> Void) throws -> Int? {
            try loadChanged(name, change).0?.contextLength
        }
        #expect(try context("mistral") { $0["sliding_window"] = NSNull() } == 256)
        #expect(try context("mistral") { $0["sliding_window"] = 100 } == 100)
        #expect(
            try context("mistral") {
                $0["sliding_window"] = nil
                $0["max_position_embeddings"] = 32_768
            } == 4096)
        #expect(try context("qwen2") { $0["sliding_window"] = 100 } == 256)
        #expect(
            try context("qwen2") {
                $0["sliding_window"] = 100
                $0["use_sliding_window"] = true
            } == 100)
    }
}
