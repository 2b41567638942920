import ArgumentParser

/// Turns the arguments of the process into a command, configuration file included.
enum CommandLineParser {
    /// - Throws: swift-argument-parser's errors (among them requests for help), `CommandError` for the configuration
    ///   file.
    static func parse(_ arguments: [String]) throws -> any ParsableCommand {
        let (type, depth) = command(of: arguments)
        guard let path = configurationPath(in: arguments) else { return try Neft.parseAsRoot(arguments) }
        let file = try OptionFile(path: path, options: CommandOptions(of: type))
        var merged = arguments
        merged.insert(contentsOf: file.arguments, at: depth)
        do {
            return try Neft.parseAsRoot(merged)
        } catch {
            throw locate(error, in: file) ?? error
        }
    }

    /// The subcommand that the leading words name, and how many words that takes.
    private static func command(of arguments: [String]) -> (type: any ParsableCommand.Type, depth: Int) {
        var type: any ParsableCommand.Type = Neft.self
        var depth = 0
        for word in arguments {
            guard let next = type.configuration.subcommands.first(where: { $0._commandName == word }) else { break }
            type = next
            depth += 1
        }
        return (type, depth)
    }

    /// The value of the last `--config`.
    private static func configurationPath(in arguments: [String]) -> String? {
        var path: String?
        for (index, argument) in arguments.prefix(while: { $0 != "--" }).enumerated() {
            if argument == "--config", index + 1 < arguments.count { path = arguments[index + 1] }
            if argument.hasPrefix("--config=") { path = String(argument.dropFirst(9)) }
        }
        return path
    }

    /// The same error with the file's line, if it is about a value that the file gives.
    private static func locate(_ error: any Error, in file: OptionFile) -> CommandError? {
        guard !Neft.exitCode(for: error).isSuccess else { return nil }
        let message = Neft.message(for: error)
        for setting in file.settings {
            let value = setting.value.map { "The value '\($0)' is invalid for '--\(setting.name)" }
            guard let value, message.hasPrefix(value) else { continue }
            return CommandError("\(file.path):\(setting.line)", found: message)
        }
        return nil
    }
}
