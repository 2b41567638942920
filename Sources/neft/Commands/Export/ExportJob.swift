import Checkpoints
import Exporting
import Foundation
import Kernels
import Models
import Neurons
import Tokenization

/// Writes a tuned model, reads it back and compares.
struct ExportJob {
    struct Result {
        /// Names in the output folder.
        let files: [String]
        let difference: ExportCheck.Difference
        let tolerance: Double
    }

    /// What is left of the tuned model once it is written: a model is never in memory beside the one that is read back.
    private struct Tuned {
        let check: ExportCheck
        /// The texts of the check and their tokens.
        let texts: [(text: String, tokens: [Int32])]
        let files: ModelFiles
        let team: WorkerTeam
    }

    let command: Export
    let threads: Int
    let console: Console

    private var type: ExportType { command.type ?? .f32 }

    func run() throws -> Result {
        // What is cheap to refuse comes before anything is made.
        let adapter = try command.adapter.adapter.map { try Adapter(path: $0) }
        if let adapter { try refuse(adapter, path: command.adapter.adapter ?? "") }
        let isLowRank = if case .lowRank = adapter { true } else { false }
        let tolerance = type.tolerance(addsProducts: command.format.isAdapter || isLowRank)
        return try AtomicFolder.write(command.output.output) { folder in
            let tuned = try write(to: folder)
            let difference = try difference(of: folder, from: tuned)
            guard difference.relative <= tolerance else {
                throw ExportFailure(
                    output: command.output.output, found: difference, tolerance: tolerance,
                    hint: type == .f32
                        ? "this is a fault of neft"
                        : "the weights do not survive \(type.rawValue): choose another --type")
            }
            let files = try FileManager.default.contentsOfDirectory(atPath: folder).sorted()
            return Result(files: files, difference: difference, tolerance: tolerance)
        }
    }

    private func refuse(_ adapter: Adapter, path: String) throws {
        switch adapter {
        case .whole where command.format.isAdapter:
            throw CommandError(
                path, found: "a whole model", expected: "an adapter for --format \(command.format.rawValue)",
                hint: "use --format hf or gguf")
        case .lowRank(let folder):
            let isMerged = try LowRankAdapterFiles.isMerged(folder)
            if command.peftForm != nil {
                throw CommandError(
                    "--peft-form", found: "an adapter that PEFT's files hold already", expected: "trained neurons",
                    hint: "leave it out")
            }
            if isMerged, command.format == .ggufAdapter {
                throw CommandError(
                    path, found: "rows or ranks of their own for some modules in PEFT's files",
                    expected: "what neft train left in RUN/final", hint: "export from there, or use --format gguf")
            }
        default: break
        }
    }

    // MARK: - Writing

    private func write(to folder: String) throws -> Tuned {
        let loaded = try LoadedModel(
            command.model, templateName: command.template.chatTemplate, adapter: command.adapter.adapter,
            threads: threads, compute: .float32, warn: console.warn)
        guard comparable(try Decoder.configuration(of: loaded.files)) == comparable(loaded.model.configuration) else {
            throw CommandError(
                command.adapter.adapter ?? loaded.path, found: "a model of other sizes than \(loaded.path)",
                expected: "what was trained from it", hint: "pass the model it was trained from")
        }
        let chat = loaded.template.render(
            [ChatMessage(role: "user", content: ExportCheck.texts[0])], addGenerationPrompt: true)
        let texts = ([chat] + ExportCheck.texts.dropFirst()).map { ($0, loaded.tokenizer.encode($0)) }
        console.note("writing \(command.output.output)")
        try writeFiles(of: loaded, to: folder)
        return Tuned(
            check: ExportCheck(loaded.model, prompts: texts.map(\.1)), texts: texts, files: loaded.files,
            team: loaded.team)
    }

    /// Sizes of a model; scaled rotary positions in hundredths, as in the base hash.
    private func comparable(_ configuration: DecoderConfiguration) -> DecoderConfiguration {
        var configuration = configuration
        configuration.ropeDivisors = configuration.ropeDivisors.map { ($0 * 100).rounded() }
        return configuration
    }

    private func writeFiles(of loaded: LoadedModel, to folder: String) throws {
        let model = loaded.model
        switch command.format {
        case .hf:
            let writer = ModelDirectoryWriter(
                source: loaded.files, type: type.element ?? .float32, template: chosenTemplate(of: loaded))
            try writer.write(model, to: folder)
        case .gguf:
            let writer = GGUFModelWriter(
                source: loaded.files, type: type.ggufElement, template: chosenTemplate(of: loaded))
            try writer.write(
                model, changed: try changedModules(of: loaded),
                name: URL(fileURLWithPath: loaded.path).lastPathComponent,
                to: folder + "/model.gguf")
            try writeModelfile(of: loaded, from: "./model.gguf", to: folder)
        case .ggufAdapter:
            if let modules = try loaded.trainedRows(cache: command.model.cache) {
                try GGUFAdapter.write(modules, of: model, files: loaded.files, to: folder + "/adapter.gguf")
            } else {
                try GGUFAdapter.write(lowRankOf: model, files: loaded.files, to: folder + "/adapter.gguf")
            }
            if case .gguf(let file) = loaded.files {
                let path = URL(fileURLWithPath: file.path).standardizedFileURL.path
                try writeModelfile(of: loaded, from: path, adapter: "./adapter.gguf", to: folder)
            }
        case .peft:
            if let modules = try loaded.trainedRows(cache: command.model.cache) {
                let form = command.peftForm ?? PEFTWriter.standardForm(of: modules)
                guard form == .lora || PEFTWriter.standardForm(of: modules) == .rows else {
                    throw CommandError(
                        "--peft-form rows", found: "trained biases, which PEFT cannot replace row by row",
                        expected: "--peft-form lora for this model", hint: "leave --peft-form out")
                }
                try PEFTWriter(modules, of: model, files: loaded.files).write(
                    form, baseModel: loaded.path,
                    baseHash: try loaded.baseHash(cache: command.model.cache), to: folder)
            } else if case .lowRank(let source) = loaded.adapter {
                for name in [LowRankAdapterFiles.configName, LowRankAdapterFiles.weightsName] {
                    try AtomicFolder.copy("\(source)/\(name)", to: "\(folder)/\(name)")
                }
            }
        }
    }

    /// What `--chat-template` says; nil where the source's template stays.
    private func chosenTemplate(of loaded: LoadedModel) -> ChosenTemplate? {
        guard command.template.chatTemplate != nil else { return nil }
        let template = ChosenTemplate(loaded.template, tokenizer: loaded.tokenizer)
        if template.endToken == nil, let end = loaded.template.endToken, !end.isEmpty {
            console.warn(
                "the chat template \(loaded.template.name) ends turns with \"\(end)\", which is no token of this "
                    + "model: answers do not end at it")
        }
        return template
    }

    /// Modules with other weights than the base model's; nil where that is not known.
    private func changedModules(of loaded: LoadedModel) throws -> Set<String>? {
        switch loaded.adapter {
        case nil: []
        case .rows: Set(try loaded.trainedRows(cache: command.model.cache)?.map(\.name) ?? [])
        case .lowRank: loaded.model.lowRankModules.isEmpty ? nil : loaded.model.lowRankModules
        case .whole: nil
        }
    }

    private func writeModelfile(
        of loaded: LoadedModel, from: String, adapter: String? = nil, to folder: String
    ) throws {
        let stops = loaded.endTokens.map { loaded.tokenizer.tokenText($0) }
        let file = Modelfile(
            from: from, adapter: adapter, template: loaded.template, stops: stops, addsBOS: loaded.tokenizer.addsBOS)
        try AtomicFile.write(file.text, to: folder + "/Modelfile")
    }

    // MARK: - Reading back

    private func difference(of folder: String, from tuned: Tuned) throws -> ExportCheck.Difference {
        console.note("reading it back")
        switch command.format {
        case .hf: return try difference(ofModel: folder, from: tuned)
        case .gguf: return try difference(ofModel: folder + "/model.gguf", from: tuned)
        case .ggufAdapter:
            let base = try LoadedModel(
                command.model, templateName: command.template.chatTemplate, threads: threads, compute: .float32,
                warn: { _ in })
            try GGUFAdapter.apply(folder + "/adapter.gguf", to: base.model, files: base.files)
            return tuned.check.difference(from: base.model)
        case .peft:
            let loaded = try LoadedModel(
                command.model, templateName: command.template.chatTemplate, adapter: folder, threads: threads,
                compute: .float32, warn: { _ in })
            return tuned.check.difference(from: loaded.model)
        }
    }

    private func difference(ofModel path: String, from tuned: Tuned) throws -> ExportCheck.Difference {
        let files = try ModelFiles.open(path)
        let tokenizer = try Tokenizer.load(files)
        for (text, tokens) in tuned.texts where tokenizer.encode(text) != tokens {
            // Of a tokenizer that is written in the other format. llama.cpp has no way to say all that tokenizer.json can.
            console.warn(
                "\(command.output.output): the tokenizer of --format \(command.format.rawValue) gives other tokens for "
                    + "\(text.debugDescription) than that of \(command.model.model)")
            break
        }
        return tuned.check.difference(from: try Decoder.load(files, team: tuned.team))
    }
}

/// A model that was written is not the one that was trained.
struct ExportFailure: Error, CustomStringConvertible {
    let output: String
    let found: ExportCheck.Difference
    let tolerance: Double
    let hint: String

    var description: String {
        "\(output): read back, its logits differ by up to \(found.largest) (\(found.relative) of their spread); expected "
            + "\(tolerance) at most; \(hint)"
    }
}
