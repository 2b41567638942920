import Checkpoints
import Collectives
import Foundation
import Kernels
import Models
import Neurons
import TestSupport
import Testing

@testable import Training

@Suite struct ModelDirectoryWriterTests {
    private let configuration = """
        {"model_type": "llama", "hidden_size": 48, "intermediate_size": 80, "num_hidden_layers": 3,
         "num_attention_heads": 6, "num_key_value_heads": 2, "head_dim": 8, "vocab_size": 67,
         "max_position_embeddings": 256, "rope_theta": 10000.0, "rms_norm_eps": 1e-05, "tie_word_embeddings": true,
         "hidden_act": "silu", "torch_dtype": "bfloat16"}
        """

    /// A model directory with the tiny decoder's weights.
    private func makeSource(in scratch: TemporaryFolder) throws -> String {
        let path = scratch.path + "/source"
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
        try configuration.write(toFile: path + "/config.json", atomically: false, encoding: .utf8)
        try "{\"tokens\": 1}".write(toFile: path + "/tokenizer.json", atomically: false, encoding: .utf8)
        var writer = SafetensorsWriter(metadata: ["format": "pt"])
        let model = makeTinyDecoder()
        for parameter in model.parameters {
            writer.add(
                parameter.tensor.name, floats: Array(parameter.tensor.buffer), shape: parameter.tensor.shape)
        }
        try writer.write(to: path + "/model.safetensors")
        return path
    }

    /// What is written is what was trained, and loads again.
    @Test func trainedModelLoadsAgain() throws {
        let scratch = try TemporaryFolder()
        let files = try ModelFiles.open(makeSource(in: scratch))
        let model = try Decoder.load(files, team: WorkerTeam(threads: 1))
        let original = weightBits(model)
        let trainer = try Trainer(
            model: model, trainable: model.everyWeight, data: ToyData(), configuration: .toy(.full, steps: 2),
            communicator: LocalCommunicator(), team: model.team)
        try trainer.run()
        let folder = try RunFolder(creating: scratch.path + "/run")
        let writer = try ModelDirectoryWriter(source: files)
        try folder.writeFinal { try writer.write(model, to: $0) }

        #expect(
            scratch.content.filter { $0.hasPrefix("run/final/") }
                == ["config.json", "model.safetensors", "tokenizer.json"].map { "run/final/\($0)" })
        let again = try Decoder.load(ModelFiles.open(folder.finalPath), team: WorkerTeam(threads: 1))
        #expect(weightBits(again) == weightBits(model))
        #expect(weightBits(again) != original)
        #expect(again.canonicalConfiguration == model.canonicalConfiguration)
        let values = try ConfigurationFile(path: folder.finalPath + "/config.json")
        #expect(try values.text("dtype") == "float32" && values.text("torch_dtype") == "float32")
        #expect(try values.text("hidden_act") == "silu")
        #expect(try values.number("rope_theta") == 10_000 && values.number("rms_norm_eps") == 1e-5)
        #expect(try values.object("rope_parameters")?.number("rope_theta") == 10_000)
        let tokenizer = try String(contentsOfFile: folder.finalPath + "/tokenizer.json", encoding: .utf8)
        #expect(tokenizer == "{\"tokens\": 1}")
        // Training went on in memory: the source's file is untouched.
        let source = try Decoder.load(ModelFiles.open(scratch.path + "/source"), team: WorkerTeam(threads: 1))
        #expect(weightBits(source) == original)
    }

    /// An adapter holds exactly what training changed.
    @Test func adapterBringsBackTheTrainedModel() throws {
        let scratch = try TemporaryFolder()
        let model = makeTinyDecoder()
        let trainable = someRows(of: model)
        let trainer = try Trainer(
            model: model, trainable: trainable, data: ToyData(), configuration: .toy(steps: 3),
            communicator: LocalCommunicator(), team: model.team)
        try trainer.run()
        let folder = try RunFolder(creating: scratch.path + "/run")
        try folder.writeFinal {
            try RowAdapter.save(
                trainable, of: model, baseHash: "base", maskHash: "mask", to: $0 + "/adapter.safetensors")
        }
        let fresh = makeTinyDecoder()
        try RowAdapter.apply(folder.finalPath, to: fresh, baseHash: "base")
        #expect(weightBits(fresh) == weightBits(model))
        #expect(weightBits(fresh) != weightBits(makeTinyDecoder()))
    }
}
