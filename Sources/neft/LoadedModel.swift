import Checkpoints
import Foundation
import Kernels
import Models
import Neurons
import Tokenization

/// A model with its tokenizer and chat template, ready to use.
struct LoadedModel {
    let path: String
    let files: ModelFiles
    let model: Decoder
    let tokenizer: Tokenizer
    let template: ChatTemplate
    /// The threads the model computes on.
    let team: WorkerTeam
    /// Whether processes of a host keep one copy of the frozen weights between them.
    let sharesWeights: Bool
    /// What `--adapter` named.
    let adapter: Adapter?
    /// Known where trained rows were put into the model.
    private let knownHash: String?
    private let cacheFolder: String

    /// `templateName`: `--chat-template`; nil for the model's own.
    /// `adapter`: `--adapter`: trained rows, or a whole trained model that takes the place of the weights.
    /// `compute`: what `Session.compute` says.
    /// `warn`: told where the weights cannot be shared.
    init(
        _ options: ModelOptions, templateName: String?, adapter: String? = nil, threads: Int, compute: ComputeType,
        warn: @escaping (String) -> Void
    ) throws {
        path = options.model
        files = try ModelFiles.open(path)
        // What is cheap to refuse comes before the weights.
        let trained = try adapter.map { try Adapter(path: $0) }
        self.adapter = trained
        tokenizer = try Tokenizer.load(files)
        let source = tokenizer.chatTemplateSource
        template =
            if let templateName {
                try ChatTemplate(named: templateName, source: source, marks: tokenizer.marks)
            } else {
                try ChatTemplate.detect(source: source, file: path, marks: tokenizer.marks)
            }
        team = WorkerTeam(threads: threads)
        cacheFolder = options.cache ?? Self.defaultCache.path
        var isShared = true
        model = try Decoder.load(trained?.model ?? files, team: team, compute: compute, cache: cacheFolder) {
            isShared = false
            warn(
                "\($0.file): \($0.found): every process keeps its own copy of the converted weights; name a folder that "
                    + "can be written, with space, with --cache")
        }
        sharesWeights = isShared
        guard tokenizer.vocabularySize <= model.vocabularySize else {
            throw CommandError(
                path, found: "a tokenizer of \(tokenizer.vocabularySize) tokens for a model of \(model.vocabularySize)",
                expected: "no more tokens than the model knows", hint: "the tokenizer is another model's")
        }
        switch trained {
        case .rows(let file):
            let hash = Self.hash(of: model, from: files, cache: options.cache)
            try RowAdapter.apply(file, to: model, baseHash: hash)
            knownHash = hash
        case .lowRank(let folder):
            knownHash = nil
            let hash = { [model, files] in Self.hash(of: model, from: files, cache: options.cache) }
            if try LowRankAdapterFiles.isMerged(folder) {
                try LowRankAdapterFiles.merge(folder, into: model, baseHash: hash)
            } else {
                try LowRankAdapterFiles.attach(folder, to: model, baseHash: hash)
            }
        case .whole, nil: knownHash = nil
        }
    }

    /// Tokens that end an answer.
    var endTokens: Set<Int32> {
        Set([tokenizer.eosToken, template.endToken.flatMap { tokenizer.tokenID($0) }].compactMap { $0 })
    }

    /// The base hash, remembered in `cache`: of the weights without an adapter. To be asked for before training.
    func baseHash(cache: String?) throws -> String {
        if let knownHash { return knownHash }
        // Under an adapter the model has other weights by now: the files are read again.
        let base =
            adapter == nil
            ? model
            : try Decoder.load(
                files.reopened(), team: team, compute: model.compute, cache: cache ?? Self.defaultCache.path)
        return Self.hash(of: base, from: files, cache: cache)
    }

    /// The trained neurons of `--adapter`; nil where it holds something else.
    func trainedRows(cache: String?) throws -> [RowAdapter.Module]? {
        guard case .rows(let file) = adapter else { return nil }
        return try RowAdapter.read(file, for: model, baseHash: try baseHash(cache: cache))
    }

    /// Another model with the same weights, mapped anew from the same files: as they were before training. Nil where they
    /// are not in the files, but in an adapter.
    var untouched: (() throws -> any LanguageModel)? {
        guard adapter == nil else { return nil }
        return { [files, team, model, cacheFolder] in
            try Decoder.load(files.reopened(), team: team, compute: model.compute, cache: cacheFolder)
        }
    }

    /// SHA-256 of the weights as they are now, the adapter's included.
    var weightsHash: String {
        BaseHash.compute(configuration: model.canonicalConfiguration, tensors: model.parameters.map(\.tensor))
    }

    private static func hash(of model: Decoder, from files: ModelFiles, cache: String?) -> String {
        BaseHash.cached(
            in: cache ?? defaultCache.path, files: files.paths, configuration: model.canonicalConfiguration,
            tensors: model.parameters.filter { !$0.isLowRank }.map(\.tensor))
    }

    /// Refuses a path at which there is nothing that `--adapter` takes.
    static func requireAdapter(_ path: String) throws { _ = try Adapter(path: path) }

    /// Where `--cache` is when it is not given, and whether `XDG_CACHE_HOME` says so.
    static var defaultCache: (path: String, isFromEnvironment: Bool) {
        if let folder = ProcessInfo.processInfo.environment["XDG_CACHE_HOME"], !folder.isEmpty {
            return (folder + "/neft", true)
        }
        return (NSHomeDirectory() + "/.cache/neft", false)
    }
}

/// What `--adapter` names.
enum Adapter {
    /// `adapter.safetensors`: trained rows to put into the model.
    case rows(String)
    /// A folder with LoRA's factors in the files of PEFT.
    case lowRank(String)
    /// A whole model.
    case whole(ModelFiles)

    init(path: String) throws {
        guard FileManager.default.fileExists(atPath: path) else {
            throw CommandError(
                path, found: "no such file or folder", expected: Self.expected, hint: "check --adapter")
        }
        let file = path.hasSuffix(".safetensors") ? path : path + "/adapter.safetensors"
        if FileManager.default.fileExists(atPath: file) {
            self = .rows(file)
        } else if FileManager.default.fileExists(atPath: "\(path)/\(LowRankAdapterFiles.configName)") {
            self = .lowRank(path)
        } else if FileManager.default.fileExists(atPath: path + "/config.json") {
            self = .whole(try ModelFiles.open(path))
        } else {
            throw Self.refusal(path)
        }
    }

    private static let expected = "what neft train left in RUN/final"

    /// Of a file or folder that `--adapter` does not take: what it is, as far as that is seen.
    private static func refusal(_ path: String) -> CommandError {
        if let file = try? GGUFFile(path: path) {
            if file.metadata["general.type"]?.text == "adapter" {
                return CommandError(
                    path, found: "an adapter for llama.cpp", expected: expected, hint: "pass what it was exported from")
            }
            return CommandError(
                path, found: "a whole model", expected: expected, hint: "pass it with --model, without --adapter")
        }
        let final = (path.hasSuffix("/") ? path : path + "/") + "final"
        return CommandError(
            path, found: "no adapter.safetensors, adapter_config.json or config.json", expected: expected,
            hint: FileManager.default.fileExists(atPath: final) ? "did you mean \(final)?" : "check --adapter")
    }

    var model: ModelFiles? { if case .whole(let files) = self { files } else { nil } }
}
