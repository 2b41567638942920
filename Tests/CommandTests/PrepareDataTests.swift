import Foundation
import TestSupport
import Testing

/// `cluster/prepare-data` on a small archive that lies where its downloads would.
struct PrepareDataTests {
    private let folder: TemporaryFolder
    /// Source packages, each with a library, its development files and its documentation.
    private static let sourceCount = 30

    init() throws {
        folder = try TemporaryFolder()
        let lists = folder.file("ddtp/lists-it")
        try FileManager.default.createDirectory(atPath: lists, withIntermediateDirectories: true)
        var (packages, english, italian) = ("", "", "")
        for source in 0..<Self.sourceCount {
            for (kind, section, name) in [
                ("", "libs", "libreria"), ("-dev", "libdevel", "sviluppo"), ("-doc", "doc", "guida"),
            ] {
                let package = "pkg\(source)\(kind)"
                packages += "Package: \(package)\nSource: pkg\(source) (1.\(source))\nSection: contrib/\(section)\n\n"
                let md5 = "md5-\(package)"
                english += """
                    Package: \(package)
                    Description-md5: \(md5)
                    Description-en: thing \(source)\(kind) for tests
                     A long text about thing \(source)
                     \(kind.isEmpty ? "and its library" : "and its \(kind)").
                     .
                     Second paragraph:
                      * an item


                    """
                // One translation of all is missing, and one says the same as the original.
                if source == 3 { continue }
                let synopsis = source == 4 ? "thing 4\(kind) for tests" : "cosa \(source) \(name)"
                italian += """
                    Package: \(package)
                    Description-md5: \(md5)
                    Description-it: \(synopsis)
                     Un testo lungo sulla cosa \(source) \(name).


                    """
            }
        }
        try Data(packages.utf8).write(to: URL(fileURLWithPath: lists + "/x_main_Packages"))
        try Data(english.utf8).write(to: URL(fileURLWithPath: lists + "/x_main_i18n_Translation-en"))
        try Data(italian.utf8).write(to: URL(fileURLWithPath: lists + "/x_main_i18n_Translation-it"))
        try Data().write(to: URL(fileURLWithPath: lists + "/.complete"))
    }

    private func prepare(_ arguments: [String], output: String = "out") async throws -> ProcessRunner.Outcome {
        let script = URL(fileURLWithPath: FixturePath.committed("../../cluster/prepare-data")).standardizedFileURL
        let sizes = ["--train", "30", "--valid", "6", "--test", "9"]
        return try await ProcessRunner.run(
            URL(fileURLWithPath: "/usr/bin/env"), ["python3", script.path, folder.file(output)] + sizes + arguments,
            environment: ["NEFT_CACHE": folder.path])
    }

    private func rows(_ split: String, _ output: String = "out") throws -> [[String: String]] {
        let text = String(
            decoding: try Data(contentsOf: URL(fileURLWithPath: folder.file("\(output)/\(split).jsonl"))),
            as: UTF8.self)
        return try text.split(separator: "\n").map {
            try #require(JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: String])
        }
    }

    /// The number of the source package that a row is about.
    private func source(_ row: [String: String]) throws -> Int {
        let text = try #require(row["prompt"] ?? row["text"])
        return try #require(text.firstMatch(of: /(?:thing|cosa) (\d+)/).flatMap { Int($0.1) })
    }

    static let tasks: [(arguments: [String], isRow: @Sendable ([String: String], Int) -> Bool)] = [
        (
            [],
            {
                $0["prompt"]!.hasPrefix("Translate into Italian: thing \($1)")
                    && $0["completion"]!.hasPrefix("cosa \($1) ")
            }
        ),
        (
            ["--task", "summarization"],
            {
                $0["prompt"]!.hasPrefix("Summarize in one line: A long text about thing \($1) and its ")
                    && $0["prompt"]!.hasSuffix(".\nSecond paragraph:\n* an item")
                    && $0["completion"]!.hasPrefix("thing \($1)")
            }
        ),
        (
            ["--task", "summarization", "--language", "it"],
            {
                $0["prompt"]!.hasPrefix("Summarize in one line: Un testo lungo sulla cosa \($1) ")
                    && $0["completion"]!.contains($1 == 4 ? "thing 4" : "cosa \($1) ")
            }
        ),
        (
            ["--task", "cross-lingual", "--language", "it"],
            {
                $0["prompt"]!.hasPrefix("Summarize in one line in Italian: A long text about thing \($1) and")
                    && $0["completion"]!.contains($1 == 4 ? "thing 4" : "cosa \($1) ")
            }
        ),
        (
            ["--task", "classification"],
            { row, source in
                let label = ["-dev": "libdevel", "-doc": "doc"].first { row["text"]!.contains($0.key) }?.value
                return row["text"]!.hasPrefix("Name the section of this package: thing \(source)")
                    && row["label"] == label ?? "libs"
            }
        ),
    ]

    @Test(arguments: tasks.indices) func aTaskIsBuiltAndSplitBySourcePackage(index: Int) async throws {
        let task = Self.tasks[index]
        let outcome = try await prepare(task.arguments)
        #expect(outcome.exitCode == 0, "\(outcome)")
        var seen: [Int: String] = [:]
        for (split, count) in [("train", 30), ("valid", 6), ("test", 9)] {
            let rows = try rows(split)
            #expect(rows.count == count && outcome.stdout.contains("\(split).jsonl: \(count) rows from"))
            for row in rows {
                let source = try source(row)
                #expect(row.count == 2 && task.isRow(row, source), "\(row)")
                #expect(seen[source] ?? split == split, "source package \(source) is in two splits")
                seen[source] = split
                // What is missing, and what is the same on both sides, makes no row.
                #expect(task.arguments.contains("it") || !task.arguments.isEmpty || ![3, 4].contains(source))
            }
        }
        // The same again gives the same files; another seed, others.
        let first = try ["train", "valid", "test"].map { try rows($0) }
        _ = try await prepare(task.arguments, output: "again")
        #expect(try ["train", "valid", "test"].map { try rows($0, "again") } == first)
        if index == 0 {
            _ = try await prepare(["--seed", "2"], output: "other")
            #expect(try rows("train", "other") != first[0])
        }
    }

    @Test(arguments: [
        (["--task", "translation", "--language", "en"], "from English into another language"),
        (["--train", "3000"], "rows are there, too few"), (["--train", "0"], "expected at least 1"),
        (["--task", "poetry"], "invalid choice: 'poetry'"),
        (["--classes", "1", "--task", "classification"], "two classes"),
    ]) func isRefused(arguments: [String], message: String) async throws {
        let outcome = try await prepare(arguments)
        #expect(outcome.exitCode == 2 && outcome.stderr.contains(message), "\(outcome)")
        #expect(!outcome.stderr.contains("Traceback") && !FileManager.default.fileExists(atPath: folder.file("out")))
    }

    @Test func aFileInTheWayIsRefused() async throws {
        try Data("mine".utf8).write(to: URL(fileURLWithPath: folder.file("out")))
        let outcome = try await prepare([])
        #expect(outcome.exitCode == 2 && outcome.stderr.contains("a file is there"), "\(outcome)")
    }
}
