import Foundation
import Neurons

extension Report {
    /// The page: no scripts, no links to elsewhere, colours for light and dark.
    public var html: String {
        let title = "neft report: \(Format.count(runs.count, "run"))"
        let sections = [
            overview, lossCurves, neuronMaps, scoreDistributions, overlaps, rankShifts, sparsities, stepCosts,
            timelines,
            runTable,
        ].joined(separator: "\n")
        return """
            <!DOCTYPE html>
            <html lang="en"><head><meta charset="utf-8">
            <meta name="viewport" content="width=device-width, initial-scale=1">
            <meta name="color-scheme" content="light dark">
            <title>\(Format.escaped(title))</title>
            <style>\(Self.styleSheet)</style></head>
            <body><main>
            <header><h1>neft report</h1><p>\(headline)</p></header>
            \(sections)
            <footer>Written by neft \(Format.escaped(runs[0].manifest.neftVersion)). The figures are in the runs' own
            files; <code>--json</code> gives those of the table.</footer>
            </main></body></html>

            """
    }

    private var headline: String {
        let manifest = runs[0].manifest
        func name(_ path: String) -> String { "<b>\(Format.escaped(URL(fileURLWithPath: path).lastPathComponent))</b>" }
        let data = manifest.dataHashes.keys.sorted().map {
            name(URL(fileURLWithPath: $0).deletingLastPathComponent().lastPathComponent) + "/" + name($0)
        }
        let model = manifest.options["model"].map { "Model \(name($0)), trained on " } ?? "Trained on "
        let unfinished = runs.count { !$0.isFinished }
        return """
            \(model)\(data.joined(separator: ", ")). \(Format.count(runs.count, "run")) in \
            \(Format.count(groups.count, "group")); runs of a group differ in their seed alone.\
            \(unfinished > 0 ? " <b class=\"note\">\(Format.count(unfinished, "run")) not finished.</b>" : "")
            """
    }

    // MARK: - Sections

    func section(_ title: String, _ about: String, _ body: String) -> String {
        "<section><h2>\(title)</h2><p class=\"about\">\(about)</p>\(body)</section>"
    }

    /// The colour of a group; there are eight, then they begin again.
    static func colour(_ group: Int) -> String { "var(--c\(group % 8))" }

    private func swatch(_ group: Int) -> String {
        "<i class=\"swatch\" style=\"background:\(Self.colour(group))\"></i>"
    }

    var legend: String {
        let items = groups.enumerated().map {
            "<li>\(swatch($0.offset))\(Format.escaped($0.element.label)) "
                + "<small>\(Format.count($0.element.runs.count, "run"))</small></li>"
        }
        return "<ul class=\"legend\">\(items.joined())</ul>"
    }

    /// Metrics with seeds and spread, final loss, time and bytes.
    private var overview: String {
        let metrics = Self.metrics(of: groups)
        let columns: [(title: String, isBetterLow: Bool, values: (Group) -> [Double])] =
            // The loss says what the perplexity says.
            metrics.filter { $0.figure != "loss" }.map { metric in
                (metric.title, metric.isBetterLow, { Self.values(metric, $0) })
            } + [("training loss", true, { $0.runs.compactMap(\.finalLoss) })]
        let ranges = columns.map { column in
            let all = groups.flatMap(column.values)
            return (all.min() ?? 0)...(all.max() ?? 1)
        }
        let best = columns.map { column -> Double? in
            let means = groups.map(column.values).filter { !$0.isEmpty }.map(Statistics.mean)
            return groups.count > 1 ? (column.isBetterLow ? means.min() : means.max()) : nil
        }
        var rows = ""
        for (index, group) in groups.enumerated() {
            rows += "<tr><th scope=\"row\">\(swatch(index))\(Format.escaped(group.label))</th>"
            rows += "<td>\(group.runs.map { "\($0.manifest.seed)" }.joined(separator: ", "))</td>"
            let parameters = group.runs.compactMap(\.manifest.trainedParameters).map(Double.init)
            rows += "<td>\(parameters.isEmpty ? "–" : Human.count(Int(Statistics.mean(parameters))))</td>"
            for (number, column) in columns.enumerated() {
                let values = column.values(group)
                guard !values.isEmpty else {
                    rows += "<td class=\"missing\">–</td>"
                    continue
                }
                let mean = Statistics.mean(values)
                let spread = Statistics.deviation(values).map { " <small>± \(Format.brief($0))</small>" } ?? ""
                rows += "<td\(best[number] == mean ? " class=\"best\"" : "")>\(Format.fixed(mean, 2))\(spread)"
                rows += strip(values, mean: mean, range: ranges[number], group: index) + "</td>"
            }
            rows += "</tr>"
        }
        let heads = columns.map { "<th scope=\"col\">\(Format.escaped($0.title)) \($0.isBetterLow ? "↓" : "↑")</th>" }
        let about =
            metrics.isEmpty
            ? "No run was evaluated yet: <code>neft evaluate … --json &gt; RUN/evaluation.json</code> adds its figures."
            : "Mean over the seeds ± their standard deviation; a dot for each seed, a line for the mean, the same scale "
                + "within a column. The best mean is in bold. ↑: higher is better."
        return section(
            "At a glance", about,
            "<div class=\"scroll\"><table><thead><tr><th scope=\"col\">Group</th><th scope=\"col\">Seeds</th>"
                + "<th scope=\"col\">Trained</th>\(heads.joined())</tr></thead><tbody>\(rows)</tbody></table></div>")
    }

    private func strip(_ values: [Double], mean: Double, range: ClosedRange<Double>, group: Int) -> String {
        guard range.lowerBound < range.upperBound else { return "" }
        var chart = Chart(
            width: 86, height: 14, left: 5, right: 5, top: 2, bottom: 2, x: range, y: 0...1)
        chart.box(x: 0, y: 6.5, width: 86, height: 1, style: "fill:var(--grid)")
        chart.box(x: chart.pointX(mean) - 1, y: 0, width: 2, height: 14, style: "fill:\(Self.colour(group))")
        for value in values {
            chart.dot(
                x: chart.pointX(value), y: 7, radius: 4, style: "fill:\(Self.colour(group));fill-opacity:.65",
                title: Format.short(value))
        }
        return chart.svg(label: values.map(Format.short).joined(separator: ", "))
    }

    private var lossCurves: String {
        let longest = runs.map { $0.steps.last?.step ?? 0 }.max() ?? 0
        let window = max(1, longest / 30)
        var lines: [(group: Int, run: ReportedRun, points: [(x: Double, y: Double)])] = []
        for (index, group) in groups.enumerated() {
            for run in group.runs { lines.append((index, run, run.smoothedLoss(window: window))) }
        }
        let measured = runs.flatMap(\.measurements)
        let losses = lines.flatMap(\.points).map(\.y) + measured.map(\.loss)
        guard let low = losses.min(), let high = losses.max() else {
            return section("Training loss", "No run has done a step yet.", "")
        }
        let margin = (high - low) * 0.04
        var chart = Chart(height: 340, x: 0...Double(max(1, longest)), y: low - margin...high + margin)
        chart.axes(x: "step", y: "loss, nats per target token")
        for line in lines where !line.points.isEmpty {
            let name = "\(groups[line.group].label), \(line.run.name), seed \(line.run.manifest.seed)"
            let label = "\(name)\(line.run.isFinished ? "" : " (not finished)")"
            if line.points.count == 1 {
                chart.dot(
                    x: chart.pointX(line.points[0].x), y: chart.pointY(line.points[0].y), radius: 4,
                    style: "fill:\(Self.colour(line.group))", title: label)
            } else {
                chart.line(line.points, style: "stroke:\(Self.colour(line.group))", title: label)
            }
        }
        for (index, run) in groups.enumerated().flatMap({ index, group in group.runs.map { (index, $0) } }) {
            for (step, loss) in run.measurements {
                chart.dot(
                    x: chart.pointX(Double(step)), y: chart.pointY(loss), radius: 3.5,
                    style: "fill:none;stroke:\(Self.colour(index))",
                    title: "\(run.name), step \(step): validation loss \(Format.short(loss))")
            }
        }
        let rings = measured.isEmpty ? "" : " Rings are measurements on rows that were not trained on."
        let about = window > 1 ? "Each point is the mean of the last \(window) steps." : "The loss of each step."
        return section(
            "Training loss", about + rings,
            legend + chart.svg(label: "Loss curves of \(Format.count(runs.count, "run"))"))
    }

    private var runTable: String {
        let rows = groups.enumerated().flatMap { index, group in
            group.runs.map { run -> String in
                let manifest = run.manifest
                let cells = [
                    "\(swatch(index))<code>\(Format.escaped(run.name))</code>", "\(manifest.seed)",
                    "\(run.steps.last?.step ?? 0)", run.isFinished ? "finished" : "<b class=\"note\">not finished</b>",
                    run.mask.map { "\($0.count)" } ?? "all", "\(manifest.ranks) × \(manifest.threads)",
                    Format.escaped(manifest.cpuModel), manifest.wallSeconds.map(Human.duration) ?? "–",
                    Format.escaped(manifest.startedAt), "<code>\(manifest.maskHash?.prefix(12) ?? "–")</code>",
                ]
                return "<tr>" + cells.map { "<td>\($0)</td>" }.joined() + "</tr>"
            }
        }
        let heads = [
            "Run", "Seed", "Steps", "State", "Neurons", "Ranks × threads", "Processor", "Time", "Started", "Mask",
        ]
        return section(
            "Runs", "What each run was; its <code>manifest.json</code> and <code>config.yaml</code> say the rest.",
            "<div class=\"scroll\"><table class=\"plain\"><thead><tr>"
                + heads.map { "<th scope=\"col\">\($0)</th>" }.joined()
                + "</tr></thead><tbody>\(rows.joined())</tbody></table></div>")
    }

    static let styleSheet = """
        :root{--paper:#fbfbfa;--card:#fff;--ink:#1d2126;--soft:#5d6670;--grid:#e3e6e9;--heat:#0b62a8;--note:#b3450b;
        --c0:#1f6fb4;--c1:#d1622b;--c2:#2f8f5b;--c3:#a2408f;--c4:#8a6d00;--c5:#c0392b;--c6:#158a94;--c7:#6a5acd}
        @media (prefers-color-scheme:dark){:root{--paper:#14171a;--card:#1c2025;--ink:#e8eaed;--soft:#a2abb5;--grid:#343a41;
        --heat:#5fb2f5;--note:#f0955a;--c0:#5fa8e6;--c1:#f0905c;--c2:#5cc48c;--c3:#dd86cd;--c4:#d9b83f;--c5:#f07f74;
        --c6:#4fc7d1;--c7:#a79bff}}
        *{box-sizing:border-box}body{margin:0;background:var(--paper);color:var(--ink);
        font:15px/1.5 system-ui,"Segoe UI","DejaVu Sans",sans-serif}
        main{max-width:1080px;margin:0 auto;padding:32px 20px 48px}h1{margin:0;font-size:28px}h2{margin:0;font-size:19px}
        h3{font-size:14px;line-height:1.35;margin:0 0 6px;font-weight:600}header p{margin:6px 0 20px;color:var(--soft)}
        section{background:var(--card);border:1px solid var(--grid);border-radius:10px;padding:18px 20px;margin:0 0 18px}
        .about{margin:2px 0 14px;color:var(--soft);font-size:14px}.note{color:var(--note)}
        svg{display:block;width:100%;height:auto}svg text{fill:var(--soft);font-size:12px}
        .grid{stroke:var(--grid)}.rule{stroke:var(--note);stroke-dasharray:4 4}.line{fill:none;stroke-width:1.8;stroke-linejoin:round;stroke-opacity:.9}
        .scroll{overflow-x:auto}table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
        th,td{text-align:left;padding:7px 10px 7px 0;border-bottom:1px solid var(--grid);vertical-align:top}
        tbody tr:last-child>*{border-bottom:0}thead th{color:var(--soft);font-size:13px;font-weight:600;white-space:nowrap}
        tbody th{font-weight:500;min-width:150px}td.best{font-weight:700}td small,li small,h3 small{color:var(--soft);font-weight:400}
        tbody td{white-space:nowrap}td svg{width:86px;margin-top:3px}.missing{color:var(--soft)}.plain{font-size:13px}.plain td{white-space:nowrap}
        .swatch{display:inline-block;width:11px;height:11px;border-radius:3px;margin-right:7px}
        .legend{list-style:none;display:flex;flex-wrap:wrap;gap:2px 20px;margin:0 0 10px;padding:0;font-size:13px}
        .maps{display:grid;grid-template-columns:repeat(auto-fill,minmax(460px,1fr));gap:22px}
        @media (max-width:560px){.maps{grid-template-columns:1fr}}
        code{font-family:ui-monospace,"DejaVu Sans Mono",monospace;font-size:.92em}
        footer{color:var(--soft);font-size:13px;padding:4px 2px}
        """
}

extension ReportedRun {
    /// Mean of the last 50 steps' losses (of all, where there are fewer), as `neft train` gives it.
    var finalLoss: Double? {
        let losses = steps.suffix(50).compactMap(\.loss)
        return losses.isEmpty ? nil : Statistics.mean(losses)
    }

    /// The mean loss of the last `window` steps, after every step, thinned to at most 400 points.
    func smoothedLoss(window: Int) -> [(x: Double, y: Double)] {
        let known = steps.compactMap { step in step.loss.map { (x: Double(step.step), y: $0) } }
        let stride = max(1, known.count / 400)
        return known.indices.filter { $0 % stride == 0 || $0 == known.count - 1 }.map { end in
            (known[end].x, Statistics.mean(known[max(0, end - window + 1)...end].map(\.y)))
        }
    }
}
