import Datasets
import Foundation

/// A model and the rows it is to see; the same on every rank.
struct Workload {
    let loaded: LoadedModel
    let dataset: Dataset
    /// SHA-256 of the data file.
    let dataHash: String

    private let data: DataOptions
    private let fields: [String: String]

    /// Collective; checks that all ranks see the same data file.
    /// `split`: which file of a folder is meant: `train` or `test`.
    init(
        model: ModelOptions, template: TemplateOptions, adapter: String? = nil, data: DataOptions, split: String,
        in session: Session
    ) throws {
        let threads = session.threads(requested: model.threads)
        let compute = session.compute(requested: model.compute)
        let fields = try session.agree { try data.fields() }
        let file = try session.agree { try Dataset.resolve(data.data, split: split) }
        let dataHash = try session.requireAgreement(onFile: file)
        let (loaded, dataset) = try session.agree {
            let loaded = try LoadedModel(
                model, templateName: template.chatTemplate, adapter: adapter, threads: threads, compute: compute,
                warn: session.warnOfHost)
            let context = loaded.model.contextLength
            guard data.maxLength ?? 0 <= context else {
                throw CommandError(
                    "--max-length", found: "\(data.maxLength ?? 0)",
                    expected: "at most \(context), the model's context",
                    hint: "lower it or leave it out")
            }
            return (loaded, try Self.load(file, loaded: loaded, data: data, fields: fields))
        }
        (self.loaded, self.dataset, self.dataHash, self.data, self.fields) = (loaded, dataset, dataHash, data, fields)
        announce(dataset, in: session)
        let template = loaded.template
        if let end = template.endToken, !end.isEmpty, loaded.tokenizer.tokenID(end) == nil {
            session.console.warn(
                "the chat template \(template.name) ends turns with \"\(end)\", which is no token of this model: it is "
                    + "learned as text, and answers do not end at it; choose another --chat-template")
        }
    }

    /// The rows of another file, prepared like those of `dataset`. Collective; checks that all ranks see the same.
    func further(_ file: String, in session: Session) throws -> (dataset: Dataset, hash: String) {
        _ = try session.agree { try Dataset.resolve(file, split: "valid") }
        let hash = try session.requireAgreement(onFile: file)
        let dataset = try session.agree { try Self.load(file, loaded: loaded, data: data, fields: fields) }
        announce(dataset, in: session)
        return (dataset, hash)
    }

    private static func load(
        _ file: String, loaded: LoadedModel, data: DataOptions, fields: [String: String]
    ) throws(DatasetError) -> Dataset {
        try Dataset.load(
            file, tokenizer: loaded.tokenizer,
            options: DatasetOptions(
                maxLength: data.maxLength ?? loaded.model.contextLength, chatTemplate: loaded.template,
                limit: data.limit, skipBadRows: data.skipBadRows, fields: fields))
    }

    private func announce(_ dataset: Dataset, in session: Session) {
        let unused = dataset.unusedKeys.map { "\"\($0)\"" }.joined(separator: ", ")
        session.console.note(
            "\(dataset.file): \(dataset.rows.count) rows, recognised as \(dataset.format.rawValue); "
                + "\(unused.isEmpty ? "" : "not used: \(unused); ")chat template \(loaded.template.name)")
        if dataset.skippedCount > 0 {
            session.console.warn(
                "\(dataset.file): \(Figures.count(dataset.skippedCount, "row")) that cannot be used "
                    + "\(dataset.skippedCount == 1 ? "is" : "are") left out")
        }
        if dataset.cutPromptCount > 0 {
            session.console.warn(
                "\(dataset.file): the prompts of \(dataset.cutPromptCount) of \(dataset.rows.count) rows lost their "
                    + "beginning to fit \(data.maxLength ?? loaded.model.contextLength) tokens")
        }
    }

    /// The base hash, after checking that all ranks have the same model. Collective; before any weight is changed.
    func agreedBaseHash(cache: String?, in session: Session) throws -> String {
        let hash = try session.agree { try loaded.baseHash(cache: cache) }
        try session.requireAgreement(on: loaded.path, value: "base hash \(hash)")
        return hash
    }
}
