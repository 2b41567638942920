import ArgumentParser

/// What every command takes.
struct CommonOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Take options from this YAML file (learning-rate: 1e-3); options given here win.", valueName: "file"))
    var config: String?

    @Flag(help: "Write one JSON document to standard output, and everything else to standard error.")
    var json = false

    @Flag(help: "Show no progress.")
    var quiet = false
}
