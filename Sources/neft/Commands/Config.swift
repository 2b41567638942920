import ArgumentParser
import Reporting

struct Config: SessionCommand {
    static let configuration = CommandConfiguration(
        abstract: "Show the options that a command would run with, and where each comes from.",
        usage: "neft config <command> [<options of the command>]",
        discussion: """
            Prints a file for --config. Behind each value stands its source: default, a line of the --config file, \
            command line, or a variable of the environment. Options without a value are comments. Nothing is loaded.

              neft config train -m MODEL -d train.jsonl -o RUN --config recipe.yaml --top 3%
              neft config bench step -m MODEL --json
            """)

    @Argument(
        parsing: .captureForPassthrough,
        help: ArgumentHelp("A command and its options, as they would stand behind neft.", valueName: "command"))
    var words: [String]

    @OptionGroup(title: "General") var common: CommonOptions

    func run(in session: Session) throws {
        let (command, parsed) = try inner()
        let origins = OptionOrigins(of: command, parsed: parsed)
        if common.json || command.common.json {
            session.console.result(origins.json(command: parsed.names.joined(separator: " ")))
        } else {
            session.console.result(String(origins.yaml.dropLast()))
        }
    }

    /// The command that is asked about.
    /// - Throws: what the command itself would say of its arguments.
    func inner() throws -> (command: any SessionCommand, parsed: CommandLineParser.Parsed) {
        if common.config != nil {
            throw CommandError(
                "--config", found: "before the command", expected: "behind it: neft config train --config FILE",
                hint: "it belongs to that command")
        }
        let isHelp = { (word: String) in ["--help", "-h"].contains(word) }
        // What is captured for another command may be meant for this one.
        if let first = words.first, isHelp(first) { throw CleanExit.helpRequest(Self.self) }
        let parsed = try CommandLineParser.parsed(words)
        // Its own command prints the help.
        if words.contains(where: isHelp), !(parsed.command is any SessionCommand) {
            var help = parsed.command
            try help.run()
        }
        guard let command = parsed.command as? any SessionCommand, !(command is Config) else {
            throw CommandError(
                "neft config", found: "\(words.prefix(2).map { "\"\($0)\"" }.joined(separator: " "))",
                expected: "a command with options, such as train or bench step", hint: "see neft config --help")
        }
        return (command, parsed)
    }
}
