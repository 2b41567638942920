import Foundation
import Reporting

/// The options of a parsed command, each with its value and where that comes from.
struct OptionOrigins {
    enum Origin: Equatable {
        case fallback
        case commandLine
        /// A line of the `--config` file.
        case file(String, line: Int)
        /// An option that may come several times and stands in both places.
        case fileAndCommandLine(String, line: Int)
        /// A variable of the environment.
        case environment(String)

        /// In a word or two.
        var text: String {
            switch self {
            case .fallback: "default"
            case .commandLine: "command line"
            case .file(let path, let line): "\(path):\(line)"
            case .fileAndCommandLine(let path, let line): "\(path):\(line) and command line"
            case .environment(let name): "$\(name)"
            }
        }

        fileprivate var members: [JSONValue.Member] {
            switch self {
            case .fallback: [.init("source", "default")]
            case .commandLine: [.init("source", "commandLine")]
            case .file(let path, let line):
                [.init("source", "file"), .init("file", .string(path)), .init("line", .int(line))]
            case .fileAndCommandLine(let path, let line):
                [.init("source", "fileAndCommandLine"), .init("file", .string(path)), .init("line", .int(line))]
            case .environment(let name): [.init("source", "environment"), .init("variable", .string(name))]
            }
        }
    }

    struct Entry: Equatable {
        let name: String
        /// nil: not given, and no default that is known before the run.
        let value: String?
        let origin: Origin
    }

    /// In the order of the help text; without `--config` and `--json`, which are about this very output.
    let entries: [Entry]

    init(of command: any SessionCommand, parsed: CommandLineParser.Parsed) {
        let (defaults, given) = (command.dependentDefaults, parsed.given)
        entries = CommandOptions(of: command).entries.filter { !["config", "json"].contains($0.name) }.map { entry in
            let isGiven = given.contains(entry.name)
            let origin: Origin
            if let file = parsed.file, let line = file.lines[entry.name] {
                if !isGiven {
                    origin = .file(file.path, line: line)
                } else if entry.isList {
                    origin = .fileAndCommandLine(file.path, line: line)
                } else {
                    origin = .commandLine
                }
            } else if isGiven {
                origin = .commandLine
            } else if entry.name == "cache" {
                let folder = LoadedModel.defaultCache
                return Entry(
                    name: entry.name, value: folder.path,
                    origin: folder.isFromEnvironment ? .environment("XDG_CACHE_HOME") : .fallback)
            } else {
                origin = .fallback
            }
            return Entry(name: entry.name, value: entry.value ?? defaults[entry.name], origin: origin)
        }
    }

    /// A file for `--config`, with the origins as comments.
    var yaml: String {
        let lines = entries.map { entry -> (setting: String, comment: String) in
            guard let value = entry.value else { return ("# \(entry.name):", "not given") }
            return (ResolvedConfiguration.line(entry.name, value), ResolvedConfiguration.onOneLine(entry.origin.text))
        }
        // Very long values do not push all comments to the right.
        let width = lines.map(\.setting.count).filter { $0 <= 48 }.max() ?? 0
        return lines.map { setting, comment in
            let space = String(repeating: " ", count: max(0, width - setting.count) + 2)
            return setting + space + (setting.hasPrefix("#") ? "" : "# ") + comment + "\n"
        }.joined()
    }

    func json(command: String) -> JSONValue {
        let options = entries.map { entry -> JSONValue.Member in
            guard let value = entry.value else { return .init(entry.name, .object([.init("value", .null)])) }
            return .init(entry.name, .object([.init("value", .string(value))] + entry.origin.members))
        }
        return .object([.init("command", .string(command)), .init("options", .object(options))])
    }
}
