import Checkpoints
import Foundation
import Yams

/// A YAML file that holds options of a command by their long names: `learning-rate: 1.5e-3`.
struct OptionFile {
    struct Setting: Equatable {
        /// Long name without dashes.
        let name: String
        /// As it would be given on the command line; nil for a flag.
        let value: String?
        /// Line of the file, from 1.
        let line: Int
    }

    let path: String
    /// In the order of the file. Flags that are off are left out.
    let settings: [Setting]
    /// The line of each name, flags that are off included.
    let lines: [String: Int]

    /// `options`: the options of the command. `owner`: which other command has an option of a name.
    /// - Throws: `CommandError` for a file that cannot be read or is no YAML mapping, and, naming the line, for unknown
    ///   names, names given twice and values that are no single value.
    init(
        path: String, options: CommandOptions, owner: (_ name: String) -> String? = { _ in nil }
    ) throws(CommandError) {
        let data: Data
        do throws(SmallFile.Problem) { data = try SmallFile.read(path) } catch {
            throw CommandError(path, found: error.found, expected: "a YAML file with options", hint: "check --config")
        }
        guard data.count <= Self.maxBytes else {
            throw CommandError(
                path, found: "\(data.count) bytes", expected: "a YAML file with options", hint: "check --config")
        }
        guard let text = String(validating: data, as: UTF8.self) else {
            throw CommandError(
                path, found: "bytes that are not UTF-8", expected: "a YAML file with options",
                hint: "convert it, for example with iconv")
        }
        try self.init(text: text, path: path, options: options, owner: owner)
    }

    /// Every option with a long path has a hundredth of it.
    private static let maxBytes = 1 << 20

    /// The line of the first alias of a text with anchors: a few lines of them stand for more values than memory holds.
    private static func aliasLine(_ text: String) -> Int? {
        var (hasAnchor, alias, line) = (false, Int?.none, 1)
        var before = UInt8(ascii: "\n")
        var mark: UInt8?
        for byte in text.utf8 {
            let isSpace = [0x20, 0x09, 0x0A, 0x0D].contains(byte)
            if let mark, !isSpace {
                if mark == UInt8(ascii: "&") { hasAnchor = true } else { alias = alias ?? line }
            }
            let isStart = [0x20, 0x09, 0x0A, 0x0D, 0x5B, 0x7B, 0x2C, 0x3A].contains(before)
            mark = isStart && (byte == UInt8(ascii: "&") || byte == UInt8(ascii: "*")) ? byte : nil
            if byte == 0x0A { line += 1 }
            before = byte
        }
        return hasAnchor ? alias : nil
    }

    init(
        text: String, path: String, options: CommandOptions, owner: (_ name: String) -> String? = { _ in nil }
    ) throws(CommandError) {
        self.path = path
        if let line = Self.aliasLine(text) {
            throw CommandError(
                "\(path):\(line)", found: "an alias of an anchor (*name, &name)", expected: "values",
                hint: "write the value itself")
        }
        let root: Node?
        do {
            root = try Yams.compose(yaml: text)
        } catch {
            throw Self.invalid(error, path: path)
        }
        guard let root else {
            settings = []
            lines = [:]
            return
        }
        guard case .mapping(let mapping) = root else {
            throw CommandError(
                "\(path):\(root.mark?.line ?? 1)", found: "not a list of names and values",
                expected: "lines such as `learning-rate: 1e-3`", hint: "write one option per line")
        }
        let known = options.entries.filter { $0.name != "config" }
        var settings: [Setting] = []
        var lines: [String: Int] = [:]
        for (key, value) in mapping {
            let line = key.mark?.line ?? 1
            let name = key.string ?? "?"
            guard let option = known.first(where: { $0.name == name }) else {
                let owner = name == "config" ? nil : owner(name)
                let nearest = NearestName.match(name, among: known.map(\.name))
                throw CommandError(
                    "\(path):\(line)", found: "unknown option \"\(name)\"", expected: "an option of this command",
                    hint: owner.map { "it is an option of neft \($0)" }
                        ?? nearest.map { "did you mean \"\($0)\"?" } ?? "see --help for the list")
            }
            if let setting = try Self.setting(of: option, value: value, place: "\(path):\(line)", line: line) {
                settings.append(setting)
            }
            lines[name] = line
        }
        self.settings = settings
        self.lines = lines
    }

    /// The settings as arguments, to be put before the user's own, which then win.
    var arguments: [String] {
        // Joined by "=", so that a value that begins with a dash stays a value.
        settings.map { setting in setting.value.map { "--\(setting.name)=\($0)" } ?? "--\(setting.name)" }
    }

    private static func setting(
        of option: CommandOptions.Entry, value: Node, place: String, line: Int
    ) throws(CommandError) -> Setting? {
        guard case .scalar(let scalar) = value, value.null == nil else {
            throw CommandError(
                place, found: "\"\(option.name)\" has no single value",
                expected: option.isFlag ? "true or false" : "one value", hint: "write `\(option.name): VALUE`")
        }
        guard option.isFlag else { return Setting(name: option.name, value: scalar.string, line: line) }
        guard let isOn = value.bool else {
            throw CommandError(
                place, found: "\"\(option.name)\" is \"\(scalar.string)\"", expected: "true or false",
                hint: "it is a switch")
        }
        return isOn ? Setting(name: option.name, value: nil, line: line) : nil
    }

    private static func invalid(_ error: any Error, path: String) -> CommandError {
        var line = 1
        var found = "\(error)"
        switch error as? YamlError {
        case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
            .composer(_, let problem, let mark, _):
            (line, found) = (mark.line, problem)
        case .duplicatedKeysInMapping(let names, let context):
            line = context.mark.line
            found = "\(names.map { "\"\($0)\"" }.joined(separator: ", ")) given more than once"
        default: break
        }
        return CommandError("\(path):\(line)", found: found, expected: "YAML", hint: "one `name: value` per line")
    }
}
