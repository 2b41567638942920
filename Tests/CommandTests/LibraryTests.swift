import Foundation
import TestSupport
import Testing

/// The modules as a library: its example, its page and its documentation.
struct LibraryTests {
    private static let package = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    private static let modules = [
        "Checkpoints", "Collectives", "Datasets", "Evaluation", "Exporting", "Kernels", "Models", "Neurons",
        "Reporting",
        "Tokenization", "Training",
    ]

    private static func text(_ path: String) throws -> String {
        try String(contentsOf: package.appendingPathComponent(path), encoding: .utf8)
    }

    @Test func thePageShowsTheExample() throws {
        let program = try Self.text("Examples/TrainNeurons/Sources/train-neurons/main.swift")
        #expect(program.split(separator: "\n", omittingEmptySubsequences: false).count <= 31)
        #expect(try Self.text("docs/library.md").contains("```swift\n\(program)```\n"))
    }

    /// The example and `neft train` with the same options compute the same losses, and the answer of the trained model.
    @Test func theExampleTrains() async throws {
        let sandbox = try Sandbox()
        let rows = (0..<24).map { #"{"prompt": "number \#($0)", "completion": "\#($0 % 2 == 0 ? "ab" : "yz")"}"# }
        try sandbox.write("rows.jsonl", rows.joined(separator: "\n") + "\n")
        let example = try await ProcessRunner.run(
            try ProductPath.executable("train-neurons"), ["model", "rows.jsonl", "number 3"], directory: sandbox.folder)
        #expect(example.exitCode == 0, "\(example)")
        let train = try await sandbox.neft([
            "train", "-m", "model", "-d", "rows.jsonl", "-o", "RUN", "--global-batch", "8", "--micro-batch", "4",
            "--profile-steps", "4", "--compute", "fp32", "--threads", "1",
        ])
        #expect(train.exitCode == 0, "\(train)")
        let steps = try String(decoding: sandbox.read("RUN/metrics.jsonl"), as: UTF8.self).split(separator: "\n").map {
            let line = try #require(try JSONSerialization.jsonObject(with: Data($0.utf8)) as? [String: Any])
            return "step \(try #require(line["step"] as? Int)): loss \(try #require(line["loss"] as? Double))"
        }
        #expect(steps.count == 3)
        let answer = try await sandbox.neft([
            "generate", "-m", "model", "--adapter", "RUN/final", "--prompt", "number 3", "--max-new-tokens", "32",
            "--compute", "fp32",
        ])
        #expect(answer.exitCode == 0, "\(answer)")
        #expect(example.stdout == steps.joined(separator: "\n") + "\n" + answer.stdout)
    }

    @Test(arguments: modules)
    func everyPublicDeclarationIsDocumented(module: String) throws {
        let folder = Self.package.appendingPathComponent("Sources/\(module)")
        let files = (FileManager.default.enumerator(atPath: folder.path)?.allObjects as? [String] ?? [])
            .filter { $0.hasSuffix(".swift") }
        var count = 0
        for file in files.sorted() {
            let declarations = PublicDeclarations.find(in: try Self.text("Sources/\(module)/\(file)"))
            count += declarations.count
            for declaration in declarations where !declaration.isDocumented {
                Issue.record("\(module)/\(file):\(declaration.line): \(declaration.text)")
            }
        }
        #expect(count > 10)
    }

    /// The scanner itself.
    @Test func declarationsAreFound() {
        let source = """
            /// One.
            public struct A {
                let hidden = "{ public"
                public var plain = 1
                /// Doc.
                @discardableResult
                public func documented() -> Int {
                    let local = 1 // }
                    return local
                }
                /// Doc.

                public init() {}
                public init?(
                    x: Int
                ) { fatalError() }
                public enum E: String {
                    case a
                    /// Doc.
                    case b
                    func inner() { switch self { case .a, .b: break } }
                }
            }
            public final class B: A,
                C
            {
                static public let value = 1
                public private(set) var seen = 1
                private var no = 1
                public var description: String { "" }
            }
            public protocol P {
                func requirement()
            }
            struct Q { var public1 = 1 }
            """
        let found = PublicDeclarations.find(in: source)
        #expect(
            found.filter { !$0.isDocumented }.map(\.line) == [4, 14, 17, 18, 24, 27, 28, 32, 33],
            "\(found)")
        #expect(found.filter(\.isDocumented).map(\.line) == [2, 7, 13, 20])
    }
}
