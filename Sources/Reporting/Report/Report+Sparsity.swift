import Checkpoints
import Foundation

/// What `neft sparsity --json` wrote into the folder of a run.
struct ReportedSparsity: Sendable, Decodable {
    struct State: Sendable, Decodable {
        /// Nil for the untrained model.
        let adapter: String?
        /// 0 … 1, of all layers and of each.
        let sparsity: Double
        let layers: [Double]
        let figures: [String: Double]
    }
    struct Correlation: Sendable, Decodable {
        let pearson: Double
        let spearman: Double
    }

    let threshold: Double
    let data: String
    /// In the order in which they were measured, the untrained one first.
    let states: [State]
    let correlations: [String: Correlation]

    static func load(_ file: String) throws(ReportingError) -> ReportedSparsity {
        let data = (try? SmallFile.readJSON(file)) ?? Data()
        guard let sparsity = try? JSONDecoder().decode(ReportedSparsity.self, from: data), !sparsity.states.isEmpty,
            sparsity.states.allSatisfy({ state in
                !state.layers.isEmpty && state.layers.count == sparsity.states[0].layers.count
                    && ([state.sparsity] + state.layers).allSatisfy { (0...1).contains($0) }
            })
        else {
            throw ReportingError(
                file: file, found: "no shares of inactive neurons",
                expected: "the output of neft sparsity --json", hint: "write it again, or remove the file")
        }
        return sparsity
    }
}

extension Report {
    /// Share of inactive neurons by layer, and beside a figure of the task.
    var sparsities: String {
        var figures = ""
        for (index, group) in groups.enumerated() {
            for run in group.runs {
                for sparsity in run.sparsities {
                    let data = URL(fileURLWithPath: sparsity.data)
                    let name = "\(data.deletingLastPathComponent().lastPathComponent)/\(data.lastPathComponent)"
                    let head = Format.escaped("\(run.name) on \(name)")
                    let shares = [sparsity.states.first, sparsity.states.last].compactMap(\.?.sparsity)
                        .map { Format.percent($0) }
                    let change = sparsity.states.count > 1 ? "\(shares[0]) → \(shares[1])" : shares[0]
                    figures +=
                        "<div><h3>\(head) <small>\(change) inactive (below \(Format.short(sparsity.threshold)))</small></h3>"
                    figures += byLayer(sparsity, index) + "</div>" + besideFigure(sparsity, index)
                }
            }
        }
        guard !figures.isEmpty else { return "" }
        return section(
            "Sparsity of activations",
            "Share of the feed-forward neurons whose gate is inactive, mean over the tokens of the data. Grey: the "
                + "untrained model; in the colour of the group: what training made of it, the later the stronger.",
            "<div class=\"maps\">\(figures)</div>")
    }

    /// From grey to the colour of the group, fainter for what lies between.
    private static func style(_ state: Int, of count: Int, _ group: Int, _ property: String) -> String {
        if state == 0 { return "\(property):var(--soft);\(property)-opacity:.8" }
        let strength = 0.25 + 0.75 * Double(state) / Double(max(1, count - 1))
        return "\(property):\(Self.colour(group));\(property)-opacity:\(Format.fixed(strength, 2))"
    }

    private static func name(_ state: ReportedSparsity.State) -> String {
        state.adapter.map { URL(fileURLWithPath: $0).lastPathComponent } ?? "untrained"
    }

    private func byLayer(_ sparsity: ReportedSparsity, _ group: Int) -> String {
        let all = sparsity.states.flatMap(\.layers)
        let (low, high) = (all.min() ?? 0, all.max() ?? 1)
        let margin = (high - low) * 0.06
        var chart = Chart(
            width: 480, height: 220, x: 0...Double(max(1, sparsity.states[0].layers.count - 1)),
            y: max(0, low - margin)...min(1, high + margin))
        chart.axes(x: "layer", y: "inactive neurons", yLabel: Format.percent)
        for (number, state) in sparsity.states.enumerated() {
            chart.line(
                state.layers.enumerated().map { (Double($0.offset), $0.element) },
                style: Self.style(number, of: sparsity.states.count, group, "stroke"),
                title: "\(Self.name(state)): \(Format.percent(state.sparsity))")
        }
        return chart.svg(label: "Inactive neurons of \(sparsity.states[0].layers.count) layers")
    }

    /// The share of every state beside the first figure that goes with it; nothing for fewer than three states.
    private func besideFigure(_ sparsity: ReportedSparsity, _ group: Int) -> String {
        guard let figure = ReportedRun.figureNames.first(where: { sparsity.correlations[$0] != nil }),
            let correlation = sparsity.correlations[figure]
        else { return "" }
        let points = sparsity.states.map { (x: $0.sparsity, y: $0.figures[figure] ?? .nan) }
        guard points.allSatisfy({ $0.y.isFinite }) else { return "" }
        func range(_ values: [Double]) -> ClosedRange<Double> {
            let (low, high) = (values.min() ?? 0, values.max() ?? 1)
            let margin = (high - low) * 0.08
            return low - margin...high + margin
        }
        let title = MetricName(evaluation: "evaluation", figure: figure).title
        var chart = Chart(width: 480, height: 220, x: range(points.map(\.x)), y: range(points.map(\.y)))
        chart.axes(x: "inactive neurons", y: title, xLabel: Format.percent)
        chart.line(points, style: "stroke:var(--grid)", title: "in the order of training")
        for (number, point) in points.enumerated() {
            chart.dot(
                x: chart.pointX(point.x), y: chart.pointY(point.y), radius: 5,
                style: Self.style(number, of: points.count, group, "fill"),
                title:
                    "\(Self.name(sparsity.states[number])): \(Format.percent(point.x)), \(title) \(Format.short(point.y))"
            )
        }
        let others = sparsity.correlations.filter { $0.key != figure && $0.key != "loss" }.sorted { $0.key < $1.key }
            .map {
                "; with \(MetricName(evaluation: "evaluation", figure: $0.key).title) "
                    + "\(Format.fixed($0.value.pearson, 2)), \(Format.fixed($0.value.spearman, 2))"
            }
        return """
            <div><h3>beside \(Format.escaped(title)) <small>Pearson \(Format.fixed(correlation.pearson, 2)), \
            Spearman \(Format.fixed(correlation.spearman, 2)) over \(points.count) models\
            \(Format.escaped(others.joined()))</small></h3>\
            \(chart.svg(label: "Inactive neurons and \(title) of \(points.count) models"))</div>
            """
    }
}
