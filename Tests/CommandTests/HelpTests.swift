import ArgumentParser
import Foundation
import TestSupport
import Testing

@testable import neft

struct HelpTests {
    /// What every subcommand is expected to be called.
    static let commands = [
        "preview", "profile", "select", "train", "evaluate", "generate", "export", "compare", "dynamics", "sparsity",
        "report", "config",
        "bench kernels", "bench step", "bench generation", "bench record", "bench exchange", "plan", "doctor",
    ]

    @Test(arguments: commands)
    func helpReadsWell(command: String) async throws {
        let sandbox = try Sandbox()
        let outcome = try await sandbox.neft(command.split(separator: " ").map(String.init) + ["--help"])
        #expect(outcome.exitCode == 0)
        #expect(outcome.stderr.isEmpty)
        #expect(outcome.stdout.contains("  neft \(command) "), "an example is missing:\n\(outcome.stdout)")
        for option in ["--config <file>", "--json", "--quiet"] { #expect(outcome.stdout.contains(option)) }
        for line in outcome.stdout.split(separator: "\n") where !line.hasPrefix("USAGE") {
            #expect(line.count <= 80, "\(line)")
        }
    }

    /// The same option has the same help wherever it occurs.
    @Test func optionsMeanTheSameEverywhere() async throws {
        let sandbox = try Sandbox()
        var known: [String: String] = [:]
        for command in Self.commands {
            let words = command.split(separator: " ").map(String.init)
            let outcome = try await sandbox.neft(words + ["--experimental-dump-help"])
            let document = try #require(
                try JSONSerialization.jsonObject(with: Data(outcome.stdout.utf8)) as? [String: Any])
            let shown = try #require(document["command"] as? [String: Any])
            let arguments = try #require(shown["arguments"] as? [[String: Any]])
            for argument in arguments {
                // Folders and files that are given without an option's name.
                if argument["kind"] as? String == "positional" { continue }
                let names = try #require(argument["names"] as? [[String: String]])
                let long = try #require(names.first { $0["kind"] == "long" }?["name"])
                let meaning = try #require(argument["abstract"] as? String, "--\(long) of \(command) has no help")
                #expect(known[long] ?? meaning == meaning, "--\(long) of \(command)")
                known[long] = meaning
                // The configuration file knows every option by the same name.
                guard !["help", "version"].contains(long) else { continue }
                let type = words.reduce(Neft.self as any ParsableCommand.Type) { type, word in
                    type.configuration.subcommands.first { $0._commandName == word } ?? type
                }
                #expect(CommandOptions(of: type).entries.contains { $0.name == long }, "--\(long) of \(command)")
            }
        }
        #expect(known.count > 10)
    }

    @Test func rootHelpNamesEveryCommand() async throws {
        let sandbox = try Sandbox()
        for arguments in [[], ["--help"], ["help"]] {
            let outcome = try await sandbox.neft(arguments)
            #expect(outcome.exitCode == 0)
            for command in Self.commands {
                #expect(outcome.stdout.contains("  \(command.split(separator: " ")[0]) "), "\(outcome.stdout)")
            }
        }
        #expect(try await sandbox.neft(["--version"]).stdout == Version.current + "\n")
    }
}
