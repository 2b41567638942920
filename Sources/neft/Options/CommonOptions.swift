import ArgumentParser

/// What every command takes.
struct CommonOptions: ParsableArguments {
    @Option(
        help: ArgumentHelp(
            "Take options from this YAML file (learning-rate: 1e-3); options given here win.", valueName: "file"),
        completion: .file())
    var config: String?

    @Option(
        help: ArgumentHelp(
            "End the run when a rank has not been heard of for so long; 0: never (default: 30).", valueName: "seconds"),
        transform: OptionValue.nonNegative)
    var heartbeatTimeout = 30

    @Flag(help: "Write one JSON document to standard output, and everything else to standard error.")
    var json = false

    @Flag(help: "Show no progress.")
    var quiet = false
}
