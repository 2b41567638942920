import ArgumentParser
import Models

/// Which model, and how it runs.
struct ModelOptions: ParsableArguments {
    @Option(
        name: .shortAndLong, help: ArgumentHelp("A GGUF file or a Hugging Face directory.", valueName: "model"),
        completion: .file())
    var model: String

    @Option(
        help: ArgumentHelp("CPU threads per rank (default: its part of the CPUs).", valueName: "n"),
        transform: OptionValue.threads)
    var threads: Int?

    @Option(
        help: ArgumentHelp(
            "Products with weights in fp32, in bf16 with fp32 sums, or in bf16 where all CPUs have AVX512_BF16 (auto).",
            valueName: "type"))
    var compute = ComputeChoice.auto

    @Option(
        help: ArgumentHelp(
            "Where to keep hashes of models and converted weights (default: neft in $XDG_CACHE_HOME or ~/.cache).",
            valueName: "dir"), completion: .directory)
    var cache: String?

    func validate() throws { try OptionValue.requirePath(model, "--model", "a model file or folder") }
}

/// Time for memory.
struct RecomputeOptions: ParsableArguments {
    @Flag(help: "Keep only the blocks' inputs and compute their activations again: less memory, a third more work.")
    var recompute = false
}

/// What `--compute` says.
enum ComputeChoice: String, CaseIterable, ExpressibleByArgument {
    case fp32, bf16, auto
}

/// How conversations are written for the model.
struct TemplateOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "chatml, llama2, llama3, mistral, zephyr or alpaca; none joins prompt and completion (default: the model's own).",
            valueName: "name"))
    var chatTemplate: String?
}

/// A tuned model is a model and an adapter.
struct AdapterOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp("What training made of the model: RUN/final or its adapter.safetensors.", valueName: "path"),
        completion: .file())
    var adapter: String?

    func validate() throws {
        if let adapter { try OptionValue.requirePath(adapter, "--adapter", "what neft train left in RUN/final") }
    }
}
