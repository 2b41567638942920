import ArgumentParser
import Reporting

struct ReportCommand: SessionCommand {
    static let configuration = CommandConfiguration(
        commandName: "report",
        abstract: "Show runs beside each other on one page.",
        usage: "neft report <runs> ... --output <path> [<options>]",
        discussion: """
            Writes an HTML file that opens offline: loss curves, metrics with their spread over seeds, maps of the \
            selected neurons and of their scores, the overlap of the masks, time and bytes per step. Runs may be \
            unfinished. Metrics come from the files RUN/evaluation.json and RUN/evaluation-NAME.json:

              neft evaluate -m MODEL --adapter RUN/final -d test.jsonl --json > RUN/evaluation.json
              neft report RUN1 RUN2 RUN3 -o report.html
            """)

    @Argument(help: ArgumentHelp("Folders of runs of one task and model.", valueName: "runs"), completion: .file())
    var runs: [String]

    @OptionGroup(title: "Output") var output: OutputOptions
    @OptionGroup(title: "General") var common: CommonOptions

    func run(in session: Session) throws {
        let report = try session.onRoot { () throws -> Report in
            try output.checkIsFree(isFolder: false)
            let report = try Report(runs.map { try ReportedRun(folder: $0) })
            try report.write(to: output.output)
            return report
        }
        guard let report else { return }
        if common.json {
            session.console.result(["output": .string(output.output), "groups": report.json])
        } else {
            session.console.result("\(runs.count) run\(runs.count == 1 ? "" : "s") shown in \(output.output)")
        }
    }
}
