import Foundation

/// The public declarations of Swift source text, and whether each has a documentation comment.
///
/// It reads lines, not the language: it relies on the project's format (one declaration to a line, braces at the ends of
/// lines). Members that a protocol of the standard library asks for are left out; its documentation holds for them.
public enum PublicDeclarations {
    /// One declaration.
    public struct Declaration: Sendable, Equatable {
        /// Its first line, without indentation.
        public let text: String
        /// From 1.
        public let line: Int
        /// Whether a line of `///` stands before it; a case shares that of its enum's line.
        public let isDocumented: Bool
    }

    /// All of a file, in its order.
    public static func find(in source: String) -> [Declaration] {
        var found: [Declaration] = []
        var scopes: [Scope] = []
        // Of a type whose braces open on a later line.
        var waiting: [String] = []
        var isDocumented = false
        var isInText = false
        for (number, raw) in source.split(separator: "\n", omittingEmptySubsequences: false).enumerated() {
            let line = raw.trimmingCharacters(in: .whitespaces)
            if isInText || line.hasPrefix("//") {
                if line.hasPrefix("///") { isDocumented = true }
                if line.components(separatedBy: "\"\"\"").count % 2 == 0 { isInText = false }
                continue
            }
            let words = words(of: line)
            let isAttribute = line.hasPrefix("@") && words.isEmpty
            if isPublic(words, in: scopes.last), !isInherited(line) {
                found.append(Declaration(text: line, line: number + 1, isDocumented: isDocumented))
            }
            if !isAttribute, !line.isEmpty || !isDocumented { isDocumented = false }
            if line.components(separatedBy: "\"\"\"").count % 2 == 0 { isInText = true }
            if !words.isEmpty { waiting = words }
            follow(line, waiting, &scopes)
            if line.contains("{") { waiting = [] }
        }
        return found
    }

    /// What the innermost braces hold.
    private enum Scope { case publicEnum, publicProtocol, publicExtension, type, body }

    private static let modifiers: Set<String> = [
        "public", "open", "final", "static", "class", "mutating", "nonisolated", "indirect", "override", "required",
        "convenience", "weak", "lazy", "private", "fileprivate", "internal", "internal(set)", "private(set)",
        "public(set)", "prefix", "nonisolated(unsafe)", "unowned", "borrowing", "consuming", "package",
    ]
    private static let keywords: Set<String> = [
        "func", "var", "let", "init", "struct", "class", "enum", "protocol", "typealias", "subscript", "case", "actor",
        "extension", "associatedtype",
    ]

    /// Modifiers and the keyword that a declaration begins with; none for other lines.
    private static func words(of line: String) -> [String] {
        var words: [String] = []
        for part in line.split(separator: " ") {
            let word = String(part.prefix { $0.isLetter || $0 == "(" && words.isEmpty })
            let bare = ["init", "subscript"].first { name in
                ["(", "?(", "<"].contains { part.hasPrefix(name + $0) }
            }
            if let bare { return words + [bare] }
            if part.hasPrefix("@") && words.isEmpty { continue }
            if modifiers.contains(String(part)) {
                words.append(String(part))
                continue
            }
            if keywords.contains(word), word == part { return words + [word] }
            // `class` is a modifier elsewhere.
            return words.last == "class" ? words : []
        }
        return []
    }

    private static func isPublic(_ words: [String], in scope: Scope?) -> Bool {
        guard let last = words.last, scope != .body, last != "extension" else { return false }
        if words.contains("private") || words.contains("fileprivate") { return false }
        if words.contains("public") || words.contains("open") { return true }
        switch scope {
        case .publicEnum: return last == "case"
        case .publicProtocol: return ["func", "var", "init", "subscript", "associatedtype"].contains(last)
        case .publicExtension: return true
        default: return false
        }
    }

    private static func isInherited(_ line: String) -> Bool {
        [
            "var description: String", "var debugDescription: String", "func hash(into", "func encode(to",
            "init(from decoder", "static func == ", "static func < ",
        ].contains { line.contains($0) } || line.contains("Literal ")
    }

    private static func follow(_ line: String, _ words: [String], _ scopes: inout [Scope]) {
        // Braces in text and comments count for nothing.
        var isText = false
        var escaped = false
        var opened = 0
        var letters = Array(line)
        if let comment = line.range(of: "// ") { letters = Array(line[..<comment.lowerBound]) }
        for letter in letters {
            if escaped {
                escaped = false
            } else if letter == "\\" {
                escaped = true
            } else if letter == "\"" {
                isText.toggle()
            } else if !isText, letter == "{" {
                opened += 1
                scopes.append(opened == 1 ? scope(words) : .body)
            } else if !isText, letter == "}", !scopes.isEmpty {
                scopes.removeLast()
            }
        }
    }

    private static func scope(_ words: [String]) -> Scope {
        let isPublic = words.contains("public") || words.contains("open")
        guard let last = words.last else { return .body }
        switch last {
        case "enum": return isPublic ? .publicEnum : .type
        case "protocol": return isPublic ? .publicProtocol : .type
        case "extension": return isPublic ? .publicExtension : .type
        case "struct", "class", "actor": return .type
        default: return .body
        }
    }
}
