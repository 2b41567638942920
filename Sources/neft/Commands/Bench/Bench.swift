import ArgumentParser

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure speed and memory.",
        discussion: """
              neft bench step -m MODEL --top 6%
              mpirun -n 4 neft bench exchange --recording step.safetensors
            """,
        subcommands: [BenchKernels.self, BenchStep.self, BenchGeneration.self, BenchExchange.self, BenchRecord.self])
}
