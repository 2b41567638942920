import Checkpoints
import Foundation
import Kernels
import Models
import Neurons
import Tokenization

/// A model with its tokenizer and chat template, ready to use.
struct LoadedModel {
    let files: ModelFiles
    let model: Decoder
    let tokenizer: Tokenizer
    let template: ChatTemplate

    /// - Parameters:
    ///   - path: a GGUF file or a Hugging Face directory.
    ///   - templateName: `--chat-template`; nil for the model's own.
    init(path: String, templateName: String?, threads: Int) throws {
        files = try ModelFiles.open(path)
        // What is cheap to refuse comes before the weights.
        tokenizer = try Tokenizer.load(files)
        let source = tokenizer.chatTemplateSource
        template =
            if let templateName {
                try ChatTemplate(named: templateName, source: source)
            } else {
                try ChatTemplate.detect(source: source, file: path)
            }
        model = try Decoder.load(files, team: WorkerTeam(threads: threads))
        guard tokenizer.vocabularySize <= model.vocabularySize else {
            throw CommandError(
                path, found: "a tokenizer of \(tokenizer.vocabularySize) tokens for a model of \(model.vocabularySize)",
                expected: "no more tokens than the model knows", hint: "the tokenizer is another model's")
        }
    }

    /// Tokens that end an answer.
    var endTokens: Set<Int32> {
        Set([tokenizer.eosToken, template.endToken.flatMap { tokenizer.tokenID($0) }].compactMap { $0 })
    }

    /// The base hash, remembered in `cache`. To be asked for before any weight is changed.
    func baseHash(cache: String?) -> String {
        BaseHash.cached(
            in: cache ?? Self.defaultCache, files: files.paths.map { URL(fileURLWithPath: $0).path },
            configuration: model.canonicalConfiguration, tensors: model.parameters.map(\.tensor))
    }

    /// Puts what training left in `final/` into the model.
    func apply(adapter: String, baseHash: String) throws {
        try RowAdapter.apply(adapter, to: model, baseHash: baseHash)
    }

    private static var defaultCache: String {
        let environment = ProcessInfo.processInfo.environment
        let base = environment["XDG_CACHE_HOME"].flatMap { $0.isEmpty ? nil : $0 } ?? NSHomeDirectory() + "/.cache"
        return base + "/neft"
    }
}
