import Checkpoints
import Foundation

/// What `neft dynamics --json` wrote into the folder of a run.
struct ReportedDynamics: Sendable, Decodable {
    struct Effects: Sendable, Decodable {
        let stronglyAffected: Int
        let suppressed: Int
        let indirectlyAffected: Int
    }

    /// Neurons by rank difference: bins of equal width from `from` to `to`.
    struct Histogram: Sendable, Decodable {
        let from: Double
        let to: Double
        let trained: [Int]
        let untrained: [Int]
    }

    let method: String
    let threshold: Int
    let correlation: Double
    let effects: Effects
    /// Of each layer, from the first.
    let layers: [Effects]
    let histogram: Histogram

    static func load(_ file: String) throws(ReportingError) -> ReportedDynamics {
        let data = (try? SmallFile.readJSON(file)) ?? Data()
        guard let dynamics = try? JSONDecoder().decode(ReportedDynamics.self, from: data),
            dynamics.histogram.from < dynamics.histogram.to, !dynamics.histogram.trained.isEmpty,
            dynamics.histogram.trained.count == dynamics.histogram.untrained.count,
            (dynamics.histogram.trained + dynamics.histogram.untrained).allSatisfy(Self.isCount),
            ([dynamics.effects] + dynamics.layers).allSatisfy({ effects in
                [effects.stronglyAffected, effects.suppressed, effects.indirectlyAffected].allSatisfy(Self.isCount)
            }), Self.isCount(dynamics.threshold)
        else {
            throw ReportingError(
                file: file, found: "no rank differences",
                expected: "the output of neft dynamics --json", hint: "write it again, or remove the file")
        }
        return dynamics
    }

    /// Whether a model can have so many neurons.
    private static func isCount(_ value: Int) -> Bool { (0...1 << 40).contains(value) }
}

extension Report {
    /// Rank differences of the neurons, and in which layers they moved.
    var rankShifts: String {
        var figures = ""
        for (index, group) in groups.enumerated() {
            for run in group.runs {
                guard let dynamics = run.dynamics else { continue }
                let effects = dynamics.effects
                let caption = """
                    by \(Format.escaped(dynamics.method)): \(effects.stronglyAffected) strongly affected, \
                    \(effects.suppressed) suppressed, \(effects.indirectlyAffected) indirectly affected; rank correlation \
                    \(Format.short(dynamics.correlation))
                    """
                let head = "<h3>\(Format.escaped(run.name)) <small>\(caption)</small></h3>"
                figures += "<div>\(head)\(differences(dynamics, index))</div>"
                figures += "<div><h3>\(Format.escaped(run.name)) <small>neurons that moved, by layer</small></h3>"
                figures += "\(layerEffects(dynamics, index))</div>"
            }
        }
        guard !figures.isEmpty else { return "" }
        return section(
            "What training did to the neurons",
            "Rank before minus rank after, of all neurons by score: to the right, used more. Trained neurons are in the "
                + "colour of their group, the others grey; the dashed lines are the threshold. By layer: strongly affected "
                + "above the line, suppressed below it, indirectly affected in grey.",
            "<div class=\"maps\">\(figures)</div>")
    }

    private func differences(_ dynamics: ReportedDynamics, _ group: Int) -> String {
        let histogram = dynamics.histogram
        // Most neurons hardly move: a plain scale would show one bar. 1, 10, 100, … are at 1, 2, 3, …
        func height(_ count: Int) -> Double { count > 0 ? 1 + log10(Double(count)) : 0 }
        func label(_ height: Double) -> String {
            height.rounded() != height ? "" : height == 0 ? "0" : Format.tick(pow(10, height - 1))
        }
        let counts = zip(histogram.trained, histogram.untrained).map { $0 + $1 }
        var chart = Chart(
            width: 480, height: 220, x: histogram.from...histogram.to, y: 0...height(counts.max() ?? 1) * 1.04)
        chart.axes(x: "rank difference", y: "neurons, log scale", yLabel: label)
        let width = (chart.width - chart.left - chart.right) / Double(counts.count)
        for (bin, count) in counts.enumerated() where count > 0 {
            let x = chart.left + Double(bin) * width
            let full = chart.pointY(0) - chart.pointY(height(count))
            let share = Double(histogram.trained[bin]) / Double(count)
            let title = "\(count) neurons, \(histogram.trained[bin]) trained"
            chart.box(
                x: x, y: chart.pointY(0) - full, width: width - 0.6, height: full * (1 - share),
                style: "fill:var(--soft);fill-opacity:.45", title: title)
            chart.box(
                x: x, y: chart.pointY(0) - full * share, width: width - 0.6, height: full * share,
                style: "fill:\(Self.colour(group))", title: title)
        }
        for limit in [-Double(dynamics.threshold), Double(dynamics.threshold)] where chart.x.contains(limit) {
            chart.rule(x: limit)
        }
        return chart.svg(label: "Rank differences of \(counts.reduce(0, +)) neurons")
    }

    private func layerEffects(_ dynamics: ReportedDynamics, _ group: Int) -> String {
        let layers = dynamics.layers
        let up = layers.map { max($0.stronglyAffected, $0.indirectlyAffected) }.max() ?? 1
        let down = layers.map(\.suppressed).max() ?? 0
        var chart = Chart(
            width: 480, height: 220, x: -0.5...Double(max(1, layers.count)) - 0.5,
            y: -Double(down) * 1.05...Double(max(1, up)) * 1.05)
        chart.axes(x: "layer", y: "neurons")
        let width = (chart.width - chart.left - chart.right) / Double(max(1, layers.count))
        for (layer, effects) in layers.enumerated() {
            let x = chart.left + Double(layer) * width
            let title = """
                layer \(layer): \(effects.stronglyAffected) strongly affected, \(effects.suppressed) suppressed, \
                \(effects.indirectlyAffected) indirectly affected
                """
            func bar(_ value: Int, at place: Double, _ style: String) {
                let (zero, end) = (chart.pointY(0), chart.pointY(Double(value)))
                chart.box(
                    x: x + place * width, y: min(zero, end), width: width * 0.42, height: abs(zero - end), style: style,
                    title: title)
            }
            bar(effects.stronglyAffected, at: 0.04, "fill:\(Self.colour(group))")
            bar(-effects.suppressed, at: 0.04, "fill:\(Self.colour(group));fill-opacity:.55")
            bar(effects.indirectlyAffected, at: 0.5, "fill:var(--soft);fill-opacity:.45")
        }
        return chart.svg(label: "Neurons that moved in \(layers.count) layers")
    }
}
