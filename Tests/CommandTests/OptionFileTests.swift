import ArgumentParser
import Testing

@testable import neft

private struct Inner: ParsableArguments {
    @Option(transform: OptionValue.positive) var globalBatch = 16
    @Option var note: String?
    @Flag var skipBadRows = false
}

private struct Sample: ParsableCommand {
    @Option(transform: Share.init) var top: Share?
    @OptionGroup var inner: Inner
    @OptionGroup var common: CommonOptions
}

struct OptionFileTests {
    private let options = CommandOptions(of: Sample.self)

    private func read(_ text: String) throws(CommandError) -> OptionFile {
        try OptionFile(text: text, path: "a.yaml", options: options, owner: CommandLineParser.command(taking:))
    }

    @Test func namesAreKebabCaseInHelpOrder() {
        #expect(
            options.entries.map(\.name) == [
                "top", "global-batch", "note", "skip-bad-rows", "config", "heartbeat-timeout", "json", "quiet",
            ])
        #expect(options.entries.filter(\.isFlag).map(\.name) == ["skip-bad-rows", "json", "quiet"])
    }

    @Test func settingsBecomeArguments() throws {
        let file = try read("# comment\ntop: 6%\nglobal-batch: 8\nnote: \"-x: y\"\nskip-bad-rows: true\nquiet: no\n")
        #expect(file.arguments == ["--top=6%", "--global-batch=8", "--note=-x: y", "--skip-bad-rows"])
        #expect(file.settings.map(\.line) == [2, 3, 4, 5])
    }

    @Test func emptyFileHoldsNothing() throws {
        #expect(try read("").settings.isEmpty)
        #expect(try read("# only a comment\n").settings.isEmpty)
    }

    @Test(arguments: [
        ("top: 6%\nglobal_batch: 8", "a.yaml:2", "unknown option \"global_batch\"", "did you mean \"global-batch\"?"),
        ("zzzzzzzz: 8", "a.yaml:1", "unknown option \"zzzzzzzz\"", "see --help for the list"),
        ("epochs: 3", "a.yaml:1", "unknown option \"epochs\"", "it is an option of neft train"),
        ("scores: a", "a.yaml:1", "unknown option \"scores\"", "it is an option of neft select"),
        ("config: b.yaml", "a.yaml:1", "unknown option \"config\"", ""),
        ("top: [1, 2]", "a.yaml:1", "\"top\" has no single value", ""),
        ("\ntop:", "a.yaml:2", "\"top\" has no single value", ""),
        ("skip-bad-rows: 3", "a.yaml:1", "\"skip-bad-rows\" is \"3\"", ""),
        ("- top\n- 3", "a.yaml:1", "not a list of names and values", ""),
        ("top: 6%\ntop: 7%", "a.yaml:1", "\"top\" given more than once", ""),
        ("top: \"6%", "a.yaml:", "while scanning", ""),
    ])
    func refusals(text: String, subject: String, found: String, hint: String) throws {
        let error = try #require(throws: CommandError.self) { try read(text) }
        #expect(error.subject.hasPrefix(subject), "\(error)")
        if !found.hasPrefix("while") { #expect(error.found == found, "\(error)") }
        #expect(error.hint.hasPrefix(hint), "\(error)")
    }

    @Test func missingFileIsRefused() {
        #expect(throws: CommandError.self) { try OptionFile(path: "/nonexistent/a.yaml", options: options) }
    }

    @Test func resolvedConfigurationRoundTrips() throws {
        let notes = [
            "plain", "two words", "no", "null", "\"quoted\" \\ back", "line\nbreak\ttab\r", "a: b # c",
            "–dash’s \u{2028}", "007",
            "- x", "{a}", "~", "1e3", "%",
        ]
        for note in notes {
            let first = try Sample.parse(["--top", "0.06", "--note=\(note)", "--skip-bad-rows"])
            let yaml = ResolvedConfiguration(CommandOptions(of: first)).yaml
            let again = try Sample.parse(try read(yaml).arguments)
            #expect(again.inner.note == note, "\(yaml)")
            #expect(CommandOptions(of: again).entries == CommandOptions(of: first).entries, "\(yaml)")
        }
    }

    @Test func resolvedConfigurationFillsDefaults() throws {
        let command = try Sample.parse(["--quiet"])
        let resolved = ResolvedConfiguration(CommandOptions(of: command), defaults: ["top": "6%", "global-batch": "1"])
        #expect(resolved.yaml == "top: 6%\nglobal-batch: 16\nskip-bad-rows: false\nheartbeat-timeout: 30\n")
        #expect(
            resolved.dictionary == [
                "top": "6%", "global-batch": "16", "skip-bad-rows": "false", "heartbeat-timeout": "30",
            ])
    }
}
