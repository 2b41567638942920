import Foundation
import Tokenization

/// The shapes a row may have. A further one is a case here: its keys, and how it becomes messages or text.
public enum RowFormat: String, CaseIterable, Sendable {
    /// `prompt` and `completion`, strings or lists of messages. The loss is on the completion.
    case promptCompletion = "prompt–completion"
    /// `messages`. The loss is on every assistant turn.
    case chat
    /// `conversations` with `from` and `value`. The loss is on every turn of `gpt`.
    case shareGPT = "ShareGPT"
    /// `instruction`, `output` and, where it is not empty, `input`. The loss is on the output.
    case alpaca = "Alpaca"
    /// `text` and `label`: a user's turn and the answer to it, a string or a whole number. The loss is on the label.
    case labelled
    /// `text`. The loss is on every token.
    case text

    var keys: [String] {
        switch self {
        case .promptCompletion: ["prompt", "completion"]
        case .chat: ["messages"]
        case .shareGPT: ["conversations"]
        case .alpaca: ["instruction", "output"]
        case .labelled: ["text", "label"]
        case .text: ["text"]
        }
    }

    /// Keys that rows may have beside `keys`.
    var optionalKeys: [String] { self == .alpaca ? ["input", "label"] : ["label"] }

    /// Every key that a format knows: what `--field` gives other names.
    public static let knownKeys: [String] = allCases.flatMap { $0.keys + $0.optionalKeys }.reduce(into: []) {
        if !$0.contains($1) { $0.append($1) }
    }

    /// The format whose keys a row has.
    static func of(_ row: [String: Any], fields: [String: String]) -> RowFormat? {
        allCases.first { $0.keys.allSatisfy { row[fields[$0] ?? $0] != nil } }
    }

    /// The keys of a row that are not read, ascending.
    func unusedKeys(of row: [String: Any], fields: [String: String]) -> [String] {
        let used = Set((keys + optionalKeys).map { fields[$0] ?? $0 })
        return row.keys.filter { !used.contains($0) }.sorted()
    }

    static var description: String {
        allCases.map { $0.keys.map { "\"\($0)\"" }.joined(separator: " and ") }.joined(separator: ", or ")
    }
}

/// What a row says, before it is tokenised.
enum RowContent {
    /// Turns; the loss is on the last `targets` of the assistant's (nil: all of them).
    case turns([ChatMessage], targets: Int?)
    /// An instruction, the text it is about (or nothing), and the answer.
    case instruction(String, input: String, output: String)
    case text(String)
}

/// Why a row cannot be used.
struct RowProblem: Error {
    let found: String
    let expected: String
    let hint: String
}

extension RowFormat {
    /// Why a row has none of the formats.
    static func problem(with row: [String: Any], fields: [String: String]) -> RowProblem {
        let keys = row.keys.sorted()
        let found = keys.isEmpty ? "no keys" : "keys \(quoted(keys))"
        let absent = knownKeys.filter { key in fields[key].map { row[$0] == nil } ?? false }
        if !absent.isEmpty {
            let names = absent.map { "no key \"\(fields[$0] ?? $0)\" (--field \($0)=\(fields[$0] ?? $0))" }
            return RowProblem(
                found: "\(names.joined(separator: ", ")); found \(keys.isEmpty ? "none" : quoted(keys))",
                expected: "every key that --field names",
                hint: "correct the names; --field holds for every file of the folder")
        }
        if let half = halfMapped(row, fields) { return half }
        let strings = keys.filter { row[$0] is String }
        let map =
            fields.isEmpty && strings.count == 2
            ? "--field prompt=NAME --field completion=NAME with NAME one of \(quoted(strings))"
            : "--field prompt=question --field completion=answer"
        return RowProblem(found: found, expected: description, hint: "rename the keys, or map them: \(map)")
    }

    /// What is missing where one of the two keys of a format has been mapped.
    private static func halfMapped(_ row: [String: Any], _ fields: [String: String]) -> RowProblem? {
        for format in allCases {
            guard let key = format.keys.first(where: { $0 != "label" && fields[$0] != nil }), let name = fields[key],
                let missing = format.keys.first(where: { row[fields[$0] ?? $0] == nil })
            else { continue }
            let others = format.unusedKeys(of: row, fields: fields).filter { !(row[$0] is NSNull) }
            let hint =
                switch others.count {
                case 0: "add it to every row, or map other keys"
                case 1: "map it: --field \(missing)=\(others[0])"
                default: "map it: --field \(missing)=NAME with NAME one of \(quoted(others))"
                }
            return RowProblem(
                found: "\"\(name)\" is read as \(key), and there is no \"\(missing)\"",
                expected: "a key for \(missing)", hint: hint)
        }
        return nil
    }

    private static func quoted(_ keys: [String]) -> String {
        keys.map { "\"\($0)\"" }.joined(separator: ", ")
    }

    /// Reads a row. Wrong types are named by their key.
    func content(_ row: [String: Any], fields: [String: String]) throws(RowProblem) -> RowContent {
        func value(_ key: String) throws(RowProblem) -> Any {
            let name = fields[key] ?? key
            guard let value = row[name] else {
                throw RowProblem(
                    found:
                        "no key \"\(name)\" (found \(row.keys.sorted().map { "\"\($0)\"" }.joined(separator: ", ")))",
                    expected: "the keys of the rows before",
                    hint: "all rows of a file have the same form: fix the row, or pass --skip-bad-rows")
            }
            return value
        }
        func string(_ key: String) throws(RowProblem) -> String {
            let given = try value(key)
            guard let text = given as? String else { throw wrongType(given, key, fields, "a string") }
            return text
        }
        func target(_ key: String, _ text: String, _ expected: String) throws(RowProblem) -> String {
            guard !text.isEmpty else {
                throw RowProblem(
                    found: "row has no target tokens: an empty \"\(fields[key] ?? key)\"", expected: expected,
                    hint: "fix or remove the row, or pass --skip-bad-rows")
            }
            return text
        }
        switch self {
        case .text: return .text(try string("text"))
        case .labelled:
            let text = try string("text")
            let given = try value("label")
            guard let label = Self.label(given) else {
                throw wrongType(given, "label", fields, "a string or a whole number")
            }
            let answer = try target("label", label, "the name of a class")
            return .turns(
                [ChatMessage(role: "user", content: text), ChatMessage(role: "assistant", content: answer)], targets: 1)
        case .chat:
            return .turns(try messages(try value("messages"), "messages", fields), targets: nil)
        case .shareGPT:
            return .turns(try conversation(try value("conversations"), fields), targets: nil)
        case .alpaca:
            let inputName = fields["input"] ?? "input"
            let given = row[inputName] ?? ""
            guard let input = given is NSNull ? "" : given as? String else {
                throw wrongType(given, "input", fields, "a string")
            }
            return .instruction(
                try string("instruction"), input: input,
                output: try target("output", try string("output"), "some text to learn"))
        case .promptCompletion:
            let prompt = try turns(try value("prompt"), "prompt", role: "user", fields)
            let completion = try turns(try value("completion"), "completion", role: "assistant", fields)
            guard completion.contains(where: { !$0.content.isEmpty }) else {
                throw RowProblem(
                    found: "row has no target tokens: an empty \"\(fields["completion"] ?? "completion")\"",
                    expected: "some text to learn", hint: "fix or remove the row, or pass --skip-bad-rows")
            }
            return .turns(prompt + completion, targets: completion.filter { $0.role == "assistant" }.count)
        }
    }

    /// The name of a class: a string, or the digits of a whole number; nil for everything else.
    static func label(_ value: Any) -> String? {
        if let text = value as? String { return text }
        guard let number = value as? NSNumber, !(number is NSDecimalNumber) else { return nil }
        // Foundation's numbers of JSON: true is a 1 for it, and 1.0 a whole number.
        guard !["c", "B", "f", "d"].contains(String(cString: number.objCType)) else { return nil }
        return (value as? Int).map { String($0) }
    }

    private func turns(_ value: Any, _ key: String, role: String, _ fields: [String: String])
        throws(RowProblem) -> [ChatMessage]
    {
        if let text = value as? String { return [ChatMessage(role: role, content: text)] }
        guard value is [Any] else { throw wrongType(value, key, fields, "a string or a list of messages") }
        return try messages(value, key, fields)
    }

    private func messages(_ value: Any, _ key: String, _ fields: [String: String]) throws(RowProblem) -> [ChatMessage] {
        guard let list = value as? [Any], !list.isEmpty else {
            throw wrongType(value, key, fields, "a list of messages")
        }
        var result: [ChatMessage] = []
        for item in list {
            if let calls = (item as? [String: Any])?["tool_calls"], !(calls is NSNull),
                (calls as? [Any])?.isEmpty != true
            {
                throw RowProblem(
                    found: "\"tool_calls\" inside \"\(fields[key] ?? key)\"", expected: "turns that are text alone",
                    hint: "write the calls into \"content\" as the model writes them, or pass --skip-bad-rows")
            }
            guard let message = item as? [String: Any], let role = message["role"] as? String,
                let content = message["content"] as? String
            else { throw wrongItem(item, key, ["role", "content"], fields, "messages") }
            guard ["system", "user", "assistant", "tool"].contains(role) else {
                throw RowProblem(
                    found: "role \"\(role)\"", expected: "system, user, assistant or tool",
                    hint: "rename the role, or pass --skip-bad-rows")
            }
            result.append(ChatMessage(role: role, content: content))
        }
        return result
    }

    /// Names of ShareGPT's speakers and the roles they are.
    private static let speakers = [
        "system": "system", "human": "user", "user": "user", "gpt": "assistant", "chatgpt": "assistant",
        "assistant": "assistant", "tool": "tool",
    ]

    private func conversation(_ value: Any, _ fields: [String: String]) throws(RowProblem) -> [ChatMessage] {
        guard let list = value as? [Any], !list.isEmpty else {
            throw wrongType(value, "conversations", fields, "a list of turns")
        }
        var result: [ChatMessage] = []
        for item in list {
            guard let turn = item as? [String: Any], let speaker = turn["from"] as? String,
                let text = turn["value"] as? String
            else { throw wrongItem(item, "conversations", ["from", "value"], fields, "turns") }
            guard let role = Self.speakers[speaker] else {
                throw RowProblem(
                    found: "a turn from \"\(speaker)\"",
                    expected: "system, human or user, gpt, chatgpt or assistant, or tool",
                    hint: "rename the speaker, or pass --skip-bad-rows")
            }
            result.append(ChatMessage(role: role, content: text))
        }
        return result
    }

    private func wrongType(_ value: Any, _ key: String, _ fields: [String: String], _ expected: String) -> RowProblem {
        RowProblem(
            found: "\"\(fields[key] ?? key)\" is \(Self.kind(of: value))", expected: expected,
            hint: "fix or remove the row, or pass --skip-bad-rows")
    }

    /// `item`: one of a list that is not an object of two strings.
    private func wrongItem(
        _ item: Any, _ key: String, _ names: [String], _ fields: [String: String], _ expected: String
    ) -> RowProblem {
        let list = "\"\(fields[key] ?? key)\""
        var found = "\(list) holds \(Self.kind(of: item))"
        if let object = item as? [String: Any], let name = names.first(where: { !(object[$0] is String) }) {
            found = "no \"\(name)\" inside \(list)"
            if let value = object[name] { found = "\"\(name)\" inside \(list) is \(Self.kind(of: value))" }
        }
        return RowProblem(
            found: found, expected: "\(expected) with \"\(names[0])\" and \"\(names[1])\", both strings",
            hint: "fix or remove the row, or pass --skip-bad-rows")
    }

    /// What a JSON value is, in words.
    private static func kind(of value: Any) -> String {
        switch value {
        case is NSNull: "null"
        case is String: "a string"
        case let list as [Any]: list.isEmpty ? "an empty list" : "a list"
        case is [String: Any]: "an object"
        case is NSDecimalNumber: "a number"
        // Foundation's numbers of JSON: true and false are 1 and 0 for it.
        case let number as NSNumber where ["c", "B"].contains(String(cString: number.objCType)): "true or false"
        default: "a number"
        }
    }
}
