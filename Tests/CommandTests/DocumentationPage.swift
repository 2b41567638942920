import Foundation

/// A page of the documentation: its blocks of code, and what comments above them say of them.
///
/// ```
/// <!-- before       commands that the reader has no need of -->
/// <!-- run          what is run in the place of the block -->
/// <!-- as root -->  only where the tests are
/// <!-- long -->     takes minutes: `Tests/long/documentation` runs it
/// <!-- not run: WHY -->
/// ```
struct DocumentationPage {
    struct Block {
        let language: String
        let text: String
        /// Of the page, from 1.
        let line: Int
        /// The heading it is under.
        let heading: String
        /// By name: `before`, `run`, `not run`, `as root`, `long`.
        let comments: [String: String]

        /// The commands that the test suite runs; nil where it runs none.
        var commands: String? {
            guard language == "sh", comments["not run"] == nil, comments["long"] == nil else { return nil }
            return (comments["before"] ?? "") + "\n" + (comments["run"] ?? text)
        }
    }

    static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
        .deletingLastPathComponent()

    /// All pages that have code, by their paths in the repository.
    static let names: [String] = {
        let docs =
            (try? FileManager.default.contentsOfDirectory(atPath: folder.appendingPathComponent("docs").path)) ?? []
        return ["README.md", "CONTRIBUTING.md"] + docs.filter { $0.hasSuffix(".md") }.sorted().map { "docs/\($0)" }
    }()

    let blocks: [Block]

    init(_ name: String) throws {
        let page = try String(contentsOf: Self.folder.appendingPathComponent(name), encoding: .utf8)
        var blocks: [Block] = []
        var (heading, comments) = ("", [String: String]())
        var (comment, code): ([String]?, (language: String, line: Int, text: [String])?) = (nil, nil)
        for (index, line) in page.components(separatedBy: "\n").enumerated() {
            if let open = code {
                guard line == "```" else {
                    code?.text.append(line)
                    continue
                }
                blocks.append(
                    Block(
                        language: open.language, text: open.text.joined(separator: "\n"), line: open.line,
                        heading: heading, comments: comments))
                (code, comments) = (nil, [:])
            } else if comment != nil {
                if line == "-->" { comment = nil } else { comment?.append(line) }
                if comment == nil { continue }
                if let name = comment?.first { comments[name] = comment?.dropFirst().joined(separator: "\n") }
            } else if line.hasPrefix("```") {
                code = (String(line.dropFirst(3)), index + 1, [])
            } else if line.hasPrefix("<!-- "), line.hasSuffix(" -->") {
                let parts = line.dropFirst(5).dropLast(4).split(separator: ":", maxSplits: 1)
                comments[String(parts[0])] = parts.count > 1 ? parts[1].trimmingCharacters(in: .whitespaces) : ""
            } else if line.hasPrefix("<!-- ") {
                comment = [String(line.dropFirst(5))]
            } else if line.hasPrefix("#") {
                (heading, comments) = (String(line.drop { $0 == "#" || $0 == " " }), [:])
            }
        }
        self.blocks = blocks
    }
}
