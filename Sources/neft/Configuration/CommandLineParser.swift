import ArgumentParser
import Foundation

/// Turns the arguments of the process into a command, configuration file included.
enum CommandLineParser {
    /// A command and how it came about.
    struct Parsed {
        let command: any ParsableCommand
        /// The words that name it: `bench`, `step`.
        let names: [String]
        /// What `--config` named.
        let file: OptionFile?
        /// What the command line says behind the names.
        fileprivate let own: ArraySlice<String>

        /// Long names, without dashes, of the options that the command line itself gives. A value that looks like an option
        /// is none: it would have to be joined to its name by "=".
        var given: Set<String> {
            let long = Set(CommandOptions(of: type(of: command)).entries.map(\.name))
            let short = ShortNames.of(type(of: command))
            return Set(
                own.prefix { $0 != "--" }.compactMap { argument in
                    if argument.hasPrefix("--") {
                        let name = String(argument.dropFirst(2).prefix { $0 != "=" })
                        return long.contains(name) ? name : nil
                    }
                    guard argument.hasPrefix("-"), let letter = argument.dropFirst().first else { return nil }
                    return short[letter]
                })
        }
    }

    /// - Throws: swift-argument-parser's errors (among them requests for help), `CommandError` for the configuration
    ///   file.
    static func parse(_ arguments: [String]) throws -> any ParsableCommand {
        let command = try parsed(arguments).command
        // What is wrong with the command it asks about is wrong with the command line.
        if let config = command as? Config { _ = try config.inner() }
        return command
    }

    static func parsed(_ arguments: [String]) throws -> Parsed {
        let (type, depth) = command(of: arguments)
        try checkCommand(of: type, arguments.dropFirst(depth).first)
        let (names, own) = (Array(arguments.prefix(depth)), arguments.dropFirst(depth))
        // Behind `config` stand another command's options.
        guard type != Config.self, let path = configurationPath(in: arguments) else {
            return Parsed(command: try Neft.parseAsRoot(arguments), names: names, file: nil, own: own)
        }
        let file = try OptionFile(path: path, options: CommandOptions(of: type), owner: command(taking:))
        var merged = arguments
        merged.insert(contentsOf: file.arguments, at: depth)
        do {
            return Parsed(command: try Neft.parseAsRoot(merged), names: names, file: file, own: own)
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

    /// Refuses a word that stands where the name of a command should, and says which was meant.
    private static func checkCommand(of type: any ParsableCommand.Type, _ word: String?) throws(CommandError) {
        let names = type.configuration.subcommands.map { $0._commandName }
        guard let word, !names.isEmpty, !word.hasPrefix("-"), word != "help" else { return }
        let command = type == Neft.self ? "neft" : "neft \(type._commandName)"
        throw CommandError(
            command, found: "unknown command \"\(word)\"", expected: "one of \(names.joined(separator: ", "))",
            hint: NearestName.match(word, among: names).map { "did you mean \"\(command) \($0)\"?" } ?? "")
    }

    /// The words that name a command with an option of this long name: `train` if it has it, else the first one.
    static func command(taking option: String) -> String? {
        let names = leaves(of: Neft.self).filter { leaf in
            CommandOptions(of: leaf.type).entries.contains { $0.name == option }
        }.map { $0.words }
        return names.contains("train") ? "train" : names.first
    }

    /// The commands without subcommands of their own, at a command or below it.
    private static func leaves(
        of type: any ParsableCommand.Type, words: [String] = []
    ) -> [(words: String, type: any ParsableCommand.Type)] {
        let subcommands = type.configuration.subcommands
        guard !subcommands.isEmpty else { return [(words: words.joined(separator: " "), type: type)] }
        return subcommands.flatMap { leaves(of: $0, words: words + [$0._commandName]) }
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

/// The one-letter names of a command's options, as its help describes them.
private enum ShortNames {
    private struct Help: Decodable {
        struct Command: Decodable { let arguments: [Argument]? }
        struct Argument: Decodable { let names: [Name]? }
        struct Name: Decodable {
            let kind: String
            let name: String
        }
        let command: Command
    }

    /// Letter → long name.
    static func of(_ type: any ParsableCommand.Type) -> [Character: String] {
        let help = try? JSONDecoder().decode(Help.self, from: Data(type._dumpHelp().utf8))
        var letters: [Character: String] = [:]
        for names in help?.command.arguments?.compactMap(\.names) ?? [] {
            guard let long = names.first(where: { $0.kind == "long" })?.name else { continue }
            for name in names where name.kind == "short" { letters[Character(name.name)] = long }
        }
        return letters
    }
}
