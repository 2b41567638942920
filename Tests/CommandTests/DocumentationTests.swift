import Foundation
import TestSupport
import Testing

/// The examples of the documentation run as they stand, and what they print is what the pages say.
@Suite(.serialized) struct DocumentationTests {
    static let rows = (1...12).map { #"{"prompt": "What follows \#($0)?", "completion": "\#($0 + 1) does."}"# + "\n" }

    /// A folder with a model, `data/train.jsonl`, `valid.jsonl`, `test.jsonl` and `cluster/`.
    /// - Parameter context: of the model, in tokens.
    private func sandbox(context: Int) throws -> Sandbox {
        let sandbox = try Sandbox()
        let configuration = String(decoding: try sandbox.read("model/config.json"), as: UTF8.self)
        try sandbox.write(
            "model/config.json",
            configuration.replacing(
                "\"max_position_embeddings\": 256", with: "\"max_position_embeddings\": \(context)"))
        try FileManager.default.createDirectory(atPath: sandbox.path("data"), withIntermediateDirectories: true)
        try sandbox.write("data/train.jsonl", Self.rows[..<8].joined())
        try sandbox.write("data/valid.jsonl", Self.rows[8..<10].joined())
        try sandbox.write("data/test.jsonl", Self.rows[10...].joined())
        try FileManager.default.createSymbolicLink(
            atPath: sandbox.path("cluster"),
            withDestinationPath: DocumentationPage.folder.appendingPathComponent("cluster").path)
        return sandbox
    }

    private func run(_ commands: String, in sandbox: Sandbox) async throws -> ProcessRunner.Outcome {
        let program = try ProductPath.executable("neft")
        let script = """
            set -eu
            PATH='\(program.deletingLastPathComponent().path)':$PATH
            NEFT='\(program.path)' model=model fixtures='\(FixturePath.committed(""))'
            export NEFT OMPI_MCA_plm_rsh_agent= OMPI_MCA_mpi_yield_when_idle=1
            export OMPI_ALLOW_RUN_AS_ROOT=1 OMPI_ALLOW_RUN_AS_ROOT_CONFIRM=1
            export OMPI_MCA_rmaps_base_oversubscribe=1 OMPI_MCA_hwloc_base_binding_policy=none
            \(commands)
            exec "$@"
            """
        return try await ProcessRunner.run(
            URL(fileURLWithPath: "/bin/bash"), ["-c", script, "bash", "true"],
            environment: ["XDG_CACHE_HOME": sandbox.path(".cache")], directory: sandbox.folder, timeout: .seconds(120))
    }

    @Test(arguments: DocumentationPage.names)
    func everyBlockSaysWhatItIs(page: String) throws {
        for block in try DocumentationPage(page).blocks {
            #expect(["sh", "text", "python", "json", "swift"].contains(block.language), "\(page):\(block.line)")
            let known: Set = ["before", "run", "as root", "long", "not run"]
            #expect(known.isSuperset(of: block.comments.keys), "\(page):\(block.line): \(block.comments.keys)")
            if let reason = block.comments["not run"] { #expect(!reason.isEmpty, "\(page):\(block.line)") }
        }
    }

    /// Each page's commands, one after the other.
    @Test(
        arguments: try DocumentationPage.names.filter { name in
            try name != "docs/troubleshooting.md" && DocumentationPage(name).blocks.contains { $0.commands != nil }
        })
    func examplesRun(page: String) async throws {
        let sandbox = try sandbox(context: 1024)
        let commands = try DocumentationPage(page).blocks.compactMap(\.commands).joined(separator: "\n")
        let outcome = try await run(commands, in: sandbox)
        #expect(outcome.exitCode == 0, "\(page): \(outcome)")
        guard page == "docs/datasets.md" else { return }
        for format in ["prompt–completion", "chat", "ShareGPT", "Alpaca", "labelled", "text"] {
            #expect(outcome.stderr.contains("recognised as \(format);"), "\(format): \(outcome)")
        }
        #expect(outcome.stdout.components(separatedBy: "⟦").count > 9, "\(outcome)")
        #expect(sandbox.exists("run/final/adapter.safetensors"))
    }

    /// A mistake of `docs/troubleshooting.md`: its heading.
    static let mistakes =
        (try? DocumentationPage("docs/troubleshooting.md").blocks.filter { $0.language == "sh" }
            .map(\.heading)) ?? []

    @Test func twentyMistakesAreDescribed() throws {
        #expect(Self.mistakes.count >= 20)
        #expect(Set(Self.mistakes).count == Self.mistakes.count)
    }

    /// Makes the mistake and looks for the message of the page, in which `…` stands for anything.
    @Test(arguments: mistakes) func mistakesPrintWhatThePageSays(heading: String) async throws {
        let blocks = try DocumentationPage("docs/troubleshooting.md").blocks.filter { $0.heading == heading }
        #expect(blocks.map(\.language) == ["sh", "text"])
        guard let commands = blocks[0].commands, blocks[0].comments["as root"] == nil || geteuid() == 0 else { return }
        let outcome = try await run(commands, in: try sandbox(context: 256))
        let message = blocks[1].text
        let isWarning = message.hasPrefix("neft: warning: ")
        #expect(isWarning ? outcome.exitCode == 0 : outcome.exitCode != 0, "\(outcome)")
        if message.hasPrefix("neft: error: ") {
            let code: Int32 = heading == "The disk is full" ? 1 : 2
            #expect(outcome.exitCode == code, "\(outcome)")
            #expect(outcome.stderr.components(separatedBy: "neft: error: ").count == 2, "\(outcome)")
        }
        #expect(Self.holds(outcome.stderr, message), "expected:\n\(message)\nfound:\n\(outcome)")
    }

    /// Whether a line of `text` is `pattern`, in which `…` stands for anything.
    private static func holds(_ text: String, _ pattern: String) -> Bool {
        let parts = pattern.components(separatedBy: "…")
        return text.components(separatedBy: "\n").contains { line in
            guard line.hasPrefix(parts[0]) else { return false }
            var rest = line.dropFirst(parts[0].count)
            for part in parts.dropFirst() where !part.isEmpty {
                guard let place = rest.range(of: part) else { return false }
                rest = rest[place.upperBound...]
            }
            return rest.isEmpty || parts.last == "" || !pattern.hasPrefix("neft: ")
        }
    }
}
