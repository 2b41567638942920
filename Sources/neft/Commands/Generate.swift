import ArgumentParser
import Reporting
import Tokenization

struct Generate: SessionCommand {
    static let configuration = CommandConfiguration(
        abstract: "Answer one prompt.",
        usage: "neft generate [<options>] --model <model> --prompt <text>",
        discussion: """
            The prompt is written as the model's chat template wants it. The answer is the most likely one, token by \
            token, or with --temperature one drawn at random: the same for a seed, on any number of threads.

              neft generate -m MODEL --prompt "Translate into Italian: a small text editor"
              neft generate -m MODEL --adapter RUN/final --prompt "…"
              neft generate -m MODEL --prompt "…" --temperature 0.8 --top-p 0.95 --seed 7
            """)

    @OptionGroup(title: "Model") var model: ModelOptions
    @OptionGroup(title: "Model") var template: TemplateOptions
    @OptionGroup(title: "Model") var adapter: AdapterOptions
    @OptionGroup(title: "Generation") var generation: GenerationOptions
    @OptionGroup(title: "Generation") var sampling: SamplingOptions
    @OptionGroup(title: "General") var common: CommonOptions

    @Option(help: ArgumentHelp("What to answer.", valueName: "text"))
    var prompt: String

    func run(in session: Session) throws {
        let threads = session.threads(requested: model.threads)
        let compute = session.compute(requested: model.compute)
        // One prompt is no work to share.
        let answer = try session.onRoot { () throws -> (tokens: [Int32], text: String) in
            let loaded = try LoadedModel(
                model, templateName: template.chatTemplate, adapter: adapter.adapter, threads: threads,
                compute: compute, warn: session.console.warn)
            let text = loaded.template.render([ChatMessage(role: "user", content: prompt)], addGenerationPrompt: true)
            var tokens = loaded.tokenizer.encode(text)
            if loaded.tokenizer.addsBOS, let bos = loaded.tokenizer.bosToken, tokens.first != bos {
                tokens.insert(bos, at: 0)
            }
            let room = loaded.model.contextLength - generation.maxNewTokens
            guard !tokens.isEmpty, tokens.count <= room else {
                throw CommandError(
                    "--prompt", found: "\(tokens.count) tokens",
                    expected: "1 to \(max(0, room)): the model's context without --max-new-tokens",
                    hint: "change the prompt or lower --max-new-tokens")
            }
            let answer =
                if let sampling = sampling.sampling {
                    loaded.model.generate(
                        prompt: tokens, maxNewTokens: generation.maxNewTokens, endTokens: loaded.endTokens,
                        sampling: sampling)
                } else {
                    loaded.model.generateGreedy(
                        prompts: [tokens], maxNewTokens: generation.maxNewTokens, endTokens: loaded.endTokens)[0]
                }
            return (answer, loaded.tokenizer.decode(answer))
        }
        guard let answer else { return }
        if common.json {
            session.console.result([
                "text": .string(answer.text), "tokens": .array(answer.tokens.map { .int(Int($0)) }),
            ])
        } else {
            session.console.result(answer.text)
        }
    }
}
