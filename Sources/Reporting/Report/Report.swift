import Foundation
import Neurons

/// Runs of one task beside each other, as one HTML file that needs nothing else.
public struct Report: Sendable {
    /// Runs that differ in nothing but the seed.
    struct Group: Sendable {
        /// What tells it from the other groups.
        var label: String
        /// Never empty.
        var runs: [ReportedRun]
    }

    let groups: [Group]
    var runs: [ReportedRun] { groups.flatMap(\.runs) }

    /// - Throws: `ReportingError` for no runs, runs of different tasks (other training data), of different models, or
    ///   whose evaluations of one name are of different data.
    public init(_ runs: [ReportedRun]) throws(ReportingError) {
        guard let first = runs.first else {
            throw ReportingError(
                file: "RUN", found: "no runs", expected: "the folder of at least one", hint: "name what to report on")
        }
        func refuse(_ run: ReportedRun, _ found: String, _ expected: String, _ hint: String) -> ReportingError {
            ReportingError(file: run.path, found: found, expected: expected, hint: hint)
        }
        func data(_ run: ReportedRun) -> String {
            run.manifest.dataHashes.sorted { $0.value < $1.value }
                .map { "\($0.key) (hash \($0.value.prefix(12)))" }.joined(separator: ", ")
        }
        for run in runs.dropFirst() {
            guard run.manifest.dataHashes.values.sorted() == first.manifest.dataHashes.values.sorted() else {
                throw refuse(
                    run, "a run of another task, trained on \(data(run))",
                    "the data of \(first.path), \(data(first))", "make one report for each task")
            }
            guard run.manifest.baseHash == first.manifest.baseHash else {
                throw refuse(
                    run, "a run of another model (base hash \(run.manifest.baseHash.prefix(12)))",
                    "the model of \(first.path) (\(first.manifest.baseHash.prefix(12)))",
                    "make one report for each model")
            }
        }
        var known: [String: (hash: String, path: String)] = [:]
        for run in runs {
            for evaluation in run.evaluations {
                guard let hash = evaluation.dataHash else { continue }
                if let other = known[evaluation.name], other.hash != hash {
                    throw refuse(
                        run, "\(evaluation.name).json of other data (hash \(hash.prefix(12)))",
                        "the data of \(other.path)/\(evaluation.name).json (\(other.hash.prefix(12)))",
                        "evaluate all runs on the same file")
                }
                known[evaluation.name] = (hash, run.path)
            }
        }
        groups = Self.grouped(Self.named(runs))
    }

    /// Names that tell the runs apart.
    private static func named(_ runs: [ReportedRun]) -> [ReportedRun] {
        let counts = Dictionary(runs.map { ($0.name, 1) }, uniquingKeysWith: +)
        return runs.map { run in
            var run = run
            if counts[run.name] ?? 0 > 1 {
                let url = URL(fileURLWithPath: run.path).standardizedFileURL
                run.name = url.deletingLastPathComponent().lastPathComponent + "/" + run.name
            }
            return run
        }
    }

    private static func grouped(_ runs: [ReportedRun]) -> [Group] {
        var keys: [String] = []
        var members: [String: [ReportedRun]] = [:]
        for run in runs {
            let key = run.settings.sorted { $0.key < $1.key }.map { "\($0.key)=\($0.value)" }.joined(separator: "\n")
            if members[key] == nil { keys.append(key) }
            members[key, default: []].append(run)
        }
        var groups = keys.map { Group(label: "", runs: members[$0] ?? []) }
        // Settings in which the groups differ, but for those that the method's name says.
        let said: Set<String> = ["method", "top", "profile-method", "profile's dataHash"]
        let all = groups.map(\.runs[0].settings)
        let names = Set(all.flatMap(\.keys)).subtracting(said).filter { name in
            // How neurons were chosen tells nothing apart from groups that chose none.
            let isOfChoice = name == "scope" || name.hasPrefix("profile")
            return Set(all.map { $0[name] }.filter { !isOfChoice || $0 != nil }).count > 1
        }
        for index in groups.indices {
            let differences = names.sorted().compactMap { name in all[index][name].map { "\(name) \($0)" } }
            groups[index].label = ([groups[index].runs[0].methodName] + differences).joined(separator: ", ")
        }
        return groups
    }

    /// The runs' figures as JSON, groups in the order of their first run.
    public var json: JSONValue {
        .array(
            groups.map { group in
                .object([
                    .init("label", .string(group.label)), .init("runs", .array(group.runs.map { .string($0.path) })),
                    .init(
                        "metrics",
                        .object(
                            Self.metrics(of: groups).map { metric in
                                let values = Self.values(metric, group)
                                return .init(
                                    metric.id,
                                    .object([
                                        .init("values", .array(values.map { .double($0) })),
                                        .init("mean", values.isEmpty ? nil : .double(Statistics.mean(values))),
                                        .init("deviation", Statistics.deviation(values).map { .double($0) } ?? nil),
                                    ]))
                            })),
                ])
            })
    }

    // MARK: - Figures of groups

    struct MetricName: Hashable, Sendable {
        let evaluation: String
        let figure: String
        var id: String { evaluation == "evaluation" ? figure : "\(evaluation).\(figure)" }
        var title: String {
            let names = [
                "bleu": "BLEU", "chrf": "chrF", "rouge1": "ROUGE-1", "rouge2": "ROUGE-2", "rougeL": "ROUGE-L",
                "exactMatch": "exact match",
            ]
            let suffix = evaluation.drop { $0 != "-" }.dropFirst()
            return (names[figure] ?? figure) + (suffix.isEmpty ? "" : " (\(suffix))")
        }
        var isBetterLow: Bool { ["perplexity", "loss"].contains(figure) }
    }

    /// Every figure that any run has.
    static func metrics(of groups: [Group]) -> [MetricName] {
        let evaluations = groups.flatMap(\.runs).flatMap(\.evaluations)
        return Set(evaluations.map(\.name)).sorted().flatMap { name in
            ReportedRun.figureNames.filter { figure in
                evaluations.contains { $0.name == name && $0.figures.contains { $0.name == figure } }
            }.map { MetricName(evaluation: name, figure: $0) }
        }
    }

    /// One value for each run that has the figure.
    static func values(_ metric: MetricName, _ group: Group) -> [Double] {
        group.runs.compactMap { run in
            run.evaluations.first { $0.name == metric.evaluation }?.figures.first { $0.name == metric.figure }?.value
        }
    }

    /// Writes the page, all of it or nothing.
    public func write(to path: String) throws(ReportingError) { try OutputFile.replace(path, with: html) }
}
