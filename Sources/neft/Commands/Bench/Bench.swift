import ArgumentParser

struct Bench: ParsableCommand {
    static let configuration = CommandConfiguration(
        abstract: "Measure speed and memory.",
        discussion: """
              neft bench step -m MODEL --top 6%
            """,
        subcommands: [BenchStep.self])
}
