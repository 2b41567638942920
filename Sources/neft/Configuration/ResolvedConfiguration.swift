/// The options of a command after defaults, configuration file and command line, as a file that `--config` takes.
struct ResolvedConfiguration {
    /// Names and values in the order of the help text.
    let settings: [(name: String, value: String)]

    /// Options about the terminal, the configuration file itself and what a run goes on from are left out: they are no
    /// part of it.
    private static let left = ["config", "json", "quiet", "resume"]

    /// - Parameters:
    ///   - command: parsed.
    ///   - defaults: values of options that were not given and whose default depends on others.
    init(_ command: CommandOptions, defaults: [String: String] = [:]) {
        settings = command.entries.filter { !Self.left.contains($0.name) }.compactMap { entry in
            (entry.value ?? defaults[entry.name]).map { (entry.name, $0) }
        }
    }

    /// The file's text.
    var yaml: String {
        settings.map { Self.line($0.name, $0.value) + "\n" }.joined()
    }

    /// A line of such a file.
    static func line(_ name: String, _ value: String) -> String { "\(name): \(quoted(value))" }

    /// A text for a comment: as it is, or with what would end the line escaped.
    static func onOneLine(_ text: String) -> String {
        text.unicodeScalars.allSatisfy { !isControl($0) } ? text : quoted(text)
    }

    var dictionary: [String: String] {
        Dictionary(settings.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
    }

    /// Plain words and numbers as they are, anything else in double quotes with YAML's escapes.
    private static func quoted(_ value: String) -> String {
        let isPlain = value.first?.isLetter == true || value.first?.isNumber == true || value.first == "/"
        let isSimple = value.unicodeScalars.allSatisfy {
            $0.isASCII
                && ($0.properties.isAlphabetic || $0.properties.numericType != nil
                    || "./_+-%".unicodeScalars.contains($0))
        }
        let isWord = ["null", "yes", "no", "on", "off", "y", "n"].contains(value.lowercased())
        if isPlain && isSimple && !isWord { return value }
        var text = "\""
        for scalar in value.unicodeScalars {
            switch scalar {
            case "\"": text += "\\\""
            case "\\": text += "\\\\"
            case "\n": text += "\\n"
            case "\t": text += "\\t"
            case "\r": text += "\\r"
            case _ where isControl(scalar):
                let digits = String(scalar.value, radix: 16)
                text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
            default: text.unicodeScalars.append(scalar)
            }
        }
        return text + "\""
    }

    /// What may not stand in YAML, or may end a line.
    private static func isControl(_ scalar: Unicode.Scalar) -> Bool {
        switch scalar {
        case "\u{0}"..."\u{1F}", "\u{7F}"..."\u{9F}", "\u{2028}", "\u{2029}", "\u{FEFF}": true
        default: false
        }
    }
}
