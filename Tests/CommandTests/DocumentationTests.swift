import Foundation
import TestSupport
import Testing

/// The examples of the documentation run as they stand.
@Suite struct DocumentationTests {
    @Test func examplesOfDatasets() async throws {
        let page = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .deletingLastPathComponent().appendingPathComponent("docs/datasets.md")
        let parts = try String(contentsOf: page, encoding: .utf8).components(separatedBy: "```")
        // Text and code take turns.
        let blocks = parts.indices.filter { $0 % 2 == 1 }.map { parts[$0] }
        #expect(blocks.count == 9 && blocks.allSatisfy { $0.hasPrefix("sh\n") })
        let sandbox = try Sandbox()
        let program = try ProductPath.executable("neft").deletingLastPathComponent().path
        let script = "set -eu\nPATH='\(program)':$PATH\nmodel=model\n" + blocks.map { $0.dropFirst(3) }.joined()
        let outcome = try await sandbox.limited(script + "\nexec \"$@\"", ["true"])
        #expect(outcome.exitCode == 0, "\(outcome)")
        for format in ["prompt–completion", "chat", "ShareGPT", "Alpaca", "labelled", "text"] {
            #expect(outcome.stderr.contains("recognised as \(format);"), "\(format): \(outcome)")
        }
        #expect(outcome.stdout.components(separatedBy: "⟦").count > 9, "\(outcome)")
        #expect(sandbox.exists("run/final/adapter.safetensors"))
    }
}
