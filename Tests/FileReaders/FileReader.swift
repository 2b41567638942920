import Checkpoints
import Collectives
import Datasets
import Foundation
import Kernels
import Models
import Neurons
import Reporting
import Tokenization
import Training

/// Every reader of files, each as a command uses it: what it reads is also worked with.
public enum FileReader: String, CaseIterable, Codable, Sendable {
    case safetensors, gguf, model, tokenizer, sentencepiece, ggufTokenizer, data, mask, profile, adapter, lora,
        checkpoint
    case run
    /// The option file of `--config`, whose reader belongs to the program `neft`.
    case options

    /// Reads a file or a folder.
    /// - Parameter options: reads an option file.
    /// - Throws: what the reader throws.
    public func read(_ path: String, _ base: BaseModel, options: (String) throws -> Void) throws {
        switch self {
        case .safetensors: try Self.safetensors(path)
        case .gguf: try Self.gguf(path)
        case .model: try Self.model(try ModelFiles.open(path), base.team)
        case .tokenizer, .sentencepiece:
            do { try Self.vocabulary(path) } catch  where Self.isRefusal(error) {}
            try Self.use(try Tokenizer(directory: path), "\(path)/tokenizer_config.json")
        case .ggufTokenizer:
            let files = try ModelFiles.open(path)
            try Self.use(try Tokenizer.load(files), path)
            try Self.model(files, base.team)
        case .data:
            _ = try Dataset.load(
                path, tokenizer: base.tokenizer,
                options: DatasetOptions(maxLength: 64, chatTemplate: .chatml(defaultSystem: nil)))
        case .mask: _ = try NeuronMask.load(path).trainableRows(for: base.model, baseHash: base.hash, file: path)
        case .profile:
            let profile = try NeuronProfile.load(path)
            for scope in SelectionScope.allCases { _ = try profile.select(share: 1, scope: scope) }
            _ = try RankShift(before: profile, after: profile, mask: nil, names: (path, path, path))
        case .adapter: try RowAdapter.apply(path, to: base.model, baseHash: base.hash)
        case .lora:
            do {
                if try LowRankAdapterFiles.isMerged(path) {
                    let model = try base.fresh()
                    try LowRankAdapterFiles.merge(path, into: model) { base.hash }
                    Self.compute(model)
                }
            } catch  where Self.isRefusal(error) {}
            let model = try base.fresh()
            try LowRankAdapterFiles.attach(path, to: model) { base.hash }
            Self.compute(model)
        case .checkpoint: try Self.checkpoint(path, base)
        case .run: _ = try Report([ReportedRun(folder: path)]).html
        case .options: try options(path)
        }
    }

    /// Whether an error is one of the readers' own, which name the file and end with exit code 2.
    public static func isRefusal(_ error: any Error) -> Bool {
        error is CheckpointError || error is TokenizationError || error is DatasetError || error is NeuronError
            || error is TrainingError || error is ReportingError
    }

    private static func safetensors(_ path: String) throws {
        let file = try SafetensorsFile(path: path)
        for (name, entry) in file.entries.sorted(by: { $0.key < $1.key }) {
            switch entry.type {
            case "F64": _ = try file.doubles(name)
            case "I32": _ = try file.integers(name)
            default:
                _ = try file.floats(name).values.count
                _ = try file.half(name, shape: entry.shape)
            }
        }
    }

    private static func gguf(_ path: String) throws {
        let file = try GGUFFile(path: path)
        for (name, entry) in file.entries.sorted(by: { $0.key < $1.key }) {
            _ = try file.floats(name, as: name, shape: entry.shape)
        }
    }

    private static func model(_ files: ModelFiles, _ team: WorkerTeam) throws {
        compute(try Decoder.load(files, team: team))
    }

    private static func compute(_ model: Decoder) {
        let batch = PackedBatch(rows: [([0, 0, 0], [false, true, true])])
        withUnsafeTemporaryAllocation(of: Float.self, capacity: batch.targetCount) {
            model.evaluate(batch, losses: $0)
        }
    }

    private static func vocabulary(_ folder: String) throws {
        let vocabulary = try GGUFVocabulary(directory: folder, rows: 4096)
        precondition(vocabulary.tokens.count == 4096)
    }

    private static func use(_ tokenizer: Tokenizer, _ file: String) throws {
        let texts = [
            "", " ab  ab\n", "<|im_start|>user\ne\u{301}\u{1F600}\0\u{FFFD}<|im_end|>", "\u{2581}ab</s><0x0A>",
        ]
        for text in texts {
            let ids = tokenizer.encode(text, following: tokenizer.bosToken)
            _ = tokenizer.decode(ids, skipSpecial: false)
            for id in ids { _ = tokenizer.tokenText(id) }
        }
        let template = try ChatTemplate.detect(
            source: tokenizer.chatTemplateSource, file: file, marks: tokenizer.marks)
        _ = template.trainingPieces([ChatMessage(role: "user", content: "a")])
    }

    private static func checkpoint(_ path: String, _ base: BaseModel) throws {
        let checkpoint = try TrainingCheckpoint(path: path)
        let model = try base.fresh()
        let mask = try checkpoint.mask()
        var configuration = TrainingConfiguration(method: .neft)
        configuration.maxSteps = 4
        let trainable =
            try mask?.trainableRows(for: model, baseHash: base.hash, file: path) ?? model.everyNeuron
        let trainer = try Trainer(
            model: model, trainable: trainable, data: OneRow(), configuration: configuration,
            communicator: LocalCommunicator(), team: base.team)
        try trainer.restore(checkpoint, record: checkpoint.record)
    }
}

/// The model of `Tests/Fixtures/malformed`, which masks, adapters and checkpoints there belong to.
public final class BaseModel {
    public let model: Decoder
    public let hash: String
    public let tokenizer: Tokenizer
    let team = WorkerTeam(threads: 1)
    private let files: ModelFiles

    public init(folder: String) throws {
        files = try ModelFiles.open(folder)
        tokenizer = try Tokenizer.load(files)
        model = try Decoder.load(files, team: team)
        hash = BaseHash.compute(
            configuration: model.canonicalConfiguration, tensors: model.parameters.map(\.tensor))
    }

    /// Another one with the same weights.
    func fresh() throws -> Decoder { try Decoder.load(files, team: team) }
}

private struct OneRow: TrainingData {
    let stepsPerEpoch = 4
    let maxMicroBatches = 1

    func step(_ step: Int) -> TrainingStep {
        let batch = PackedBatch(rows: [([1, 2, 3], [false, true, true])])
        return TrainingStep(
            microBatchCount: 1, targetTokens: batch.targetCount, tokens: batch.tokenCount, microBatch: { _ in batch })
    }
}
