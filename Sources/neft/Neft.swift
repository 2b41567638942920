import ArgumentParser

/// The command `neft` and its subcommands.
struct Neft: ParsableCommand {
    static let configuration = CommandConfiguration(
        commandName: "neft",
        abstract: "Fine-tune only the sensitive neurons of a language model, on one machine or a CPU cluster.",
        discussion: """
            From a model and rows of prompts and completions to a tuned model:

              neft preview  -m MODEL -d train.jsonl
              neft train    -m MODEL -d train.jsonl -o RUN
              neft evaluate -m MODEL -d test.jsonl --adapter RUN/final
              neft generate -m MODEL --adapter RUN/final --prompt "…"
              neft export   -m MODEL --adapter RUN/final --format hf -o DIR

            Every command runs on several machines when started by mpirun or srun:

              mpirun -n 8 neft train …
            """,
        version: Version.current,
        subcommands: [
            Preview.self, Profile.self, Select.self, Train.self, Evaluate.self, Generate.self, Export.self,
            Compare.self, Dynamics.self, Sparsity.self, ReportCommand.self, PlanCommand.self, Doctor.self, Bench.self,
            Config.self,
        ])
}

/// A subcommand. Parsed by swift-argument-parser, run with a session.
protocol SessionCommand: ParsableCommand {
    var common: CommonOptions { get }
    func run(in session: Session) throws
    /// Values, by long name, of options that were not given and whose default depends on others.
    var dependentDefaults: [String: String] { get }
}

extension SessionCommand {
    var dependentDefaults: [String: String] { [:] }
}
