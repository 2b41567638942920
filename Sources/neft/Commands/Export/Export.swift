import ArgumentParser
import Checkpoints
import Exporting
import Reporting

struct Export: SessionCommand {
    static let configuration = CommandConfiguration(
        abstract: "Write a tuned model for other programs.",
        usage: "neft export --model <model> --format <format> --output <dir> [<options>]",
        discussion: """
            hf is a whole model for transformers, gguf one for llama.cpp and Ollama. gguf-adapter and peft hold only \
            what was trained, for llama.cpp and PEFT to put on the base model. What was written is read back and \
            compared with the model it was made of.

              neft export -m MODEL --adapter RUN/final --format hf -o DIR
              neft export -m MODEL --adapter RUN/final --format gguf --type q8_0 -o DIR
              neft export -m MODEL --adapter RUN/final --format gguf-adapter -o DIR
              neft export -m MODEL --adapter RUN/final --format peft -o DIR

            Without --adapter, hf and gguf convert the model itself.
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Model") var template: TemplateOptions
    @OptionGroup(title: "Model") var adapter: AdapterOptions
    @OptionGroup(title: "Export") var output: OutputOptions
    @OptionGroup(title: "General") var common: CommonOptions

    @Option(help: "What is written.")
    var format: ExportFormat

    @Option(help: "Type of the weights; q8_0 only for gguf, adapters only in f32 (default: f32).")
    var type: ExportType?

    @Option(
        help:
            "How peft holds neurons: new rows (PEFT 0.18 or later) or LoRA (default: rows, or lora where biases were trained)."
    )
    var peftForm: PEFTWriter.Form?

    func validate() throws {
        let type = type ?? .f32
        if format.isAdapter {
            guard adapter.adapter != nil else {
                throw ValidationError("--format \(format.rawValue) writes an adapter: name it with --adapter")
            }
            guard type == .f32 else {
                throw ValidationError(
                    "--type \(type.rawValue) is not for --format \(format.rawValue): adapters are f32")
            }
        }
        if format == .hf, type.element == nil {
            throw ValidationError("--type \(type.rawValue) is not for --format hf: choose f32, f16 or bf16")
        }
        if peftForm != nil, format != .peft {
            throw ValidationError("--peft-form is for --format peft")
        }
        if model.compute == .bf16 {
            throw ValidationError("--compute bf16 is not for export, which compares models in fp32")
        }
    }

    func run(in session: Session) throws {
        let threads = session.threads(requested: model.threads)
        // One model is no work to share.
        let result = try session.onRoot {
            let name = output.output.lowercased()
            guard !name.hasSuffix(".gguf"), !name.hasSuffix(".safetensors") else {
                throw CommandError(
                    output.output, found: "the name of a file", expected: "a folder",
                    hint: "give --output the folder that is to hold the files")
            }
            try output.checkIsFree(isFolder: true)
            return try ExportJob(command: self, threads: threads, console: session.console).run()
        }
        guard let result else { return }
        let difference = result.difference
        if common.json {
            session.console.result([
                "format": .string(format.rawValue), "type": .string((type ?? .f32).rawValue),
                "output": .string(output.output), "files": .array(result.files.map { .string($0) }),
                "largestDifference": .double(difference.largest), "relativeDifference": .double(difference.relative),
                "tolerance": .double(result.tolerance), "comparedLogits": .int(difference.count),
            ])
        } else {
            session.console.result(
                """
                \(output.output): \(result.files.joined(separator: ", "))
                read back and compared: logits differ by at most \(Figures.short(difference.largest)) \
                (\(Figures.short(difference.relative)) of their spread; allowed \(Figures.short(result.tolerance)))
                """)
        }
    }
}

/// What `--format` says.
enum ExportFormat: String, CaseIterable, ExpressibleByArgument {
    case hf, gguf
    case ggufAdapter = "gguf-adapter"
    case peft

    /// Whether it holds what was trained alone.
    var isAdapter: Bool { self == .ggufAdapter || self == .peft }
}

/// What `--type` says.
enum ExportType: String, CaseIterable, ExpressibleByArgument {
    case f32, f16, bf16
    case q8 = "q8_0"

    /// In safetensors; nil where they have no such type.
    var element: ElementType? {
        switch self {
        case .f32: .float32
        case .f16: .float16
        case .bf16: .bfloat16
        case .q8: nil
        }
    }

    var ggufElement: GGUFElement {
        switch self {
        case .f32: .f32
        case .f16: .f16
        case .bf16: .bf16
        case .q8: .q8_0
        }
    }

    /// The most that logits may differ by, as a share of their spread, for weights that are rounded to 24, 11, 8 and about
    /// 8 bits.
    /// - Parameter addsProducts: weights are not copied, but sums of weights and products: equal but for rounding, layer by
    ///   layer.
    func tolerance(addsProducts: Bool) -> Double {
        switch self {
        case .f32: addsProducts ? 1e-4 : 1e-5
        case .f16: 0.01
        case .bf16: 0.1
        case .q8: 0.2
        }
    }
}

extension PEFTWriter.Form: ExpressibleByArgument {}
