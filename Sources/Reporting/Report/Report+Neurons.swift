import Foundation
import Models
import Neurons

extension Report {
    /// A mask with the runs that trained it.
    struct SharedMask {
        let mask: NeuronMask
        let runs: [String]
        let group: Int
        /// What it was selected by, if a run says.
        let profile: NeuronProfile?
        var title: String {
            runs.prefix(3).joined(separator: ", ") + (runs.count > 3 ? " and \(runs.count - 3) more" : "")
        }
    }

    /// Different masks, in the order of the runs.
    var masks: [SharedMask] {
        var order: [String] = []
        var found: [String: SharedMask] = [:]
        for (index, group) in groups.enumerated() {
            for run in group.runs {
                guard let mask = run.mask else { continue }
                if found[mask.hash] == nil { order.append(mask.hash) }
                let known = found[mask.hash]
                found[mask.hash] = SharedMask(
                    mask: mask, runs: (known?.runs ?? []) + [run.name], group: known?.group ?? index,
                    profile: known?.profile ?? run.profile)
            }
        }
        return order.compactMap { found[$0] }
    }

    /// More pictures of a kind than this are left out, and the page says so.
    private static let mostMaps = 12

    private func leftOut(_ count: Int, _ noun: String) -> String {
        count > Self.mostMaps
            ? "<p class=\"about\">\(Format.count(count - Self.mostMaps, noun)) more are not shown.</p>" : ""
    }

    /// Neurons of each projection of a layer, where a run knows.
    private var rowCounts: [Projection: Int]? { runs.lazy.compactMap(\.manifest.rowCounts).first }

    private var layerCount: Int {
        let known = runs.compactMap(\.manifest.layerCount).max() ?? 0
        return max(known, (masks.flatMap(\.mask.modules).map(\.layer).max() ?? -1) + 1)
    }

    // MARK: - Maps

    var neuronMaps: String {
        let masks = masks
        guard !masks.isEmpty else {
            return section("Where the neurons are", "No run has selected neurons.", "")
        }
        let counts = rowCounts
        var maps = ""
        for shared in masks.prefix(Self.mostMaps) {
            var cells: [Cell] = []
            for module in shared.mask.modules {
                let rows = module.rows.count
                let share = counts?[module.projection].map { Double(rows) / Double($0) } ?? Double(rows)
                let text = counts?[module.projection].map { "\(rows) of \($0) neurons, \(Format.short(share * 100))%" }
                cells.append(
                    Cell(
                        layer: module.layer, projection: module.projection, value: share,
                        text: text ?? "\(rows) neurons"))
            }
            let top = cells.map(\.value).max() ?? 1
            let unit = counts == nil ? Format.short(top) : Format.short(top * 100) + "%"
            maps += figure(
                shared.title, map(cells, range: 0...top, low: "0", high: unit),
                "\(shared.mask.count) neurons in \(Set(shared.mask.modules.map(\.layer)).count) layers")
        }
        var text = section(
            "Where the selected neurons are",
            "\(counts == nil ? "Number" : "Share") of each projection's neurons that is trained, by layer. Each map has "
                + "its own scale.",
            "<div class=\"maps\">\(maps)</div>\(leftOut(masks.count, "mask"))")
        let profiled = masks.filter { $0.profile != nil }
        if !profiled.isEmpty { text += "\n" + scoreMaps(profiled) }
        return text
    }

    private func scoreMaps(_ masks: [SharedMask]) -> String {
        var maps = ""
        for shared in masks.prefix(Self.mostMaps) {
            guard let profile = shared.profile else { continue }
            let means = profile.modules.map { module in
                (module, Statistics.mean(module.scores.filter(\.isFinite)))
            }
            let positive = means.map(\.1).filter { $0 > 0 }.map(log10)
            guard let low = positive.min(), let high = positive.max() else { continue }
            let cells = means.filter { $0.1 > 0 }.map { module, mean in
                Cell(
                    layer: module.layer, projection: module.projection, value: log10(mean),
                    text: "mean score \(Format.short(mean))")
            }
            maps += figure(
                shared.title,
                map(cells, range: low...high, low: Format.short(pow(10, low)), high: Format.short(pow(10, high))),
                "\(Format.escaped(profile.method)), \(profile.neuronCount) neurons")
        }
        return section(
            "Scores",
            "Mean score of each projection's neurons, by layer, on a logarithmic scale; each map has its own.",
            "<div class=\"maps\">\(maps)</div>\(leftOut(masks.count, "profile"))")
    }

    private func figure(_ title: String, _ picture: String, _ caption: String) -> String {
        "<div><h3>\(Format.escaped(title)) <small>\(caption)</small></h3>\(picture)</div>"
    }

    private struct Cell {
        let layer: Int
        let projection: Projection
        let value: Double
        let text: String
    }

    /// Layers from left to right, projections from top to bottom.
    private func map(_ cells: [Cell], range: ClosedRange<Double>, low: String, high: String) -> String {
        let layers = max(1, layerCount, (cells.map(\.layer).max() ?? 0) + 1)
        let (left, side) = (40.0, 420.0 / Double(layers))
        let row = 22.0
        var chart = Chart(width: 480, height: 7 * row + 56, x: 0...1, y: 0...1)
        for projection in Projection.allCases {
            chart.text(
                projection.shortName, x: left - 8, y: Double(projection.rawValue) * row + row / 2 + 4, anchor: "end")
        }
        chart.box(
            x: left, y: 0, width: side * Double(layers), height: 7 * row, style: "fill:var(--grid);fill-opacity:.45")
        let span = range.upperBound - range.lowerBound
        for cell in cells {
            let share = span > 0 ? (cell.value - range.lowerBound) / span : 1
            chart.box(
                x: left + Double(cell.layer) * side, y: Double(cell.projection.rawValue) * row, width: side - 0.6,
                height: row - 0.8, style: "fill:var(--heat);fill-opacity:\(Format.fixed(0.06 + 0.94 * share, 3))",
                title: "layer \(cell.layer), \(cell.projection.shortName): \(cell.text)")
        }
        for layer in stride(from: 0, to: layers, by: max(1, (layers + 9) / 10)) {
            chart.text("\(layer)", x: left + (Double(layer) + 0.5) * side, y: 7 * row + 16, anchor: "middle")
        }
        chart.text("layer", x: left - 8, y: 7 * row + 16, anchor: "end")
        let bar = (x: left + 210, y: 7 * row + 30.0)
        chart.text(low, x: bar.x - 6, y: bar.y + 11, anchor: "end")
        for step in 0..<24 {
            chart.box(
                x: bar.x + Double(step) * 6, y: bar.y, width: 6.2, height: 13,
                style: "fill:var(--heat);fill-opacity:\(Format.fixed(0.06 + 0.94 * Double(step) / 23, 3))")
        }
        chart.text(high, x: bar.x + 150, y: bar.y + 11)
        return chart.svg(label: "Heat map of \(cells.count) modules")
    }

    // MARK: - Scores

    var scoreDistributions: String {
        var figures = ""
        let profiled = masks.filter { $0.profile != nil }
        for shared in profiled.prefix(Self.mostMaps) {
            if let profile = shared.profile { figures += histogram(profile, shared) }
        }
        guard !figures.isEmpty else { return "" }
        return section(
            "Distribution of the scores",
            "Neurons by score. The selected ones are in the colour of their group; the others are grey.",
            "<div class=\"maps\">\(figures)</div>\(leftOut(profiled.count, "profile"))")
    }

    private func histogram(_ profile: NeuronProfile, _ shared: SharedMask) -> String {
        let selected = Dictionary(uniqueKeysWithValues: shared.mask.modules.map { ($0.name, Set($0.rows)) })
        var scores: [(score: Double, isSelected: Bool)] = []
        for module in profile.modules {
            let rows = selected[module.name] ?? []
            for (row, score) in module.scores.enumerated() where score.isFinite {
                scores.append((score, rows.contains(Int32(row))))
            }
        }
        let positive = scores.filter { $0.score > 0 }
        guard let low = positive.map(\.score).min(), let high = positive.map(\.score).max(), low < high else {
            return ""
        }
        // Scores that span less than a factor of a thousand, as random ones nearly do, are clearer on a plain scale.
        let isLogarithmic = high / low > 1000 && profile.method != "random"
        func place(_ score: Double) -> Double { isLogarithmic ? log10(score) : score }
        let bins = 60
        var counts = [[Int]](repeating: [0, 0], count: bins)
        let (first, last) = (place(low), place(high))
        for entry in positive {
            let bin = min(bins - 1, Int((place(entry.score) - first) / (last - first) * Double(bins)))
            counts[bin][entry.isSelected ? 1 : 0] += 1
        }
        let top = Double(counts.map { $0[0] + $0[1] }.max() ?? 1)
        var chart = Chart(width: 480, height: 220, left: 58, x: first...last, y: 0...top * 1.04)
        chart.axes(
            x: isLogarithmic ? "score (powers of ten)" : "score", y: "neurons",
            xLabel: { isLogarithmic ? "1e\(Format.short($0))" : Format.short($0) })
        let width = (chart.width - chart.left - chart.right) / Double(bins)
        for (bin, count) in counts.enumerated() {
            let x = chart.left + Double(bin) * width
            let base = chart.pointY(0)
            let chosen = base - chart.pointY(Double(count[1]))
            let others = base - chart.pointY(Double(count[0]))
            let title = "\(count[0] + count[1]) neurons, \(count[1]) selected"
            chart.box(
                x: x, y: base - chosen, width: width - 0.5, height: chosen, style: "fill:\(Self.colour(shared.group))",
                title: title)
            chart.box(
                x: x, y: base - chosen - others, width: width - 0.5, height: others,
                style: "fill:var(--soft);fill-opacity:.45", title: title)
        }
        let zeros = scores.count - positive.count
        return figure(
            shared.title, chart.svg(label: "Histogram of \(scores.count) scores"),
            zeros > 0 ? "\(zeros) neurons without a positive score are left out" : Format.escaped(profile.method))
    }

    // MARK: - Overlap

    var overlaps: String {
        let all = masks
        guard all.count > 1 else { return "" }
        let masks = Array(all.prefix(Self.mostMaps))
        let total = (runs.lazy.compactMap(\.manifest.neuronCount).first)
        let side = 62.0
        let left = 250.0
        var chart = Chart(
            width: left + Double(masks.count) * side + 4, height: Double(masks.count) * side + 30, x: 0...1, y: 0...1)
        for (row, a) in masks.enumerated() {
            let y = Double(row) * side
            chart.box(
                x: 0, y: y + side / 2 - 7, width: 11, height: 11, style: "fill:\(Self.colour(a.group))", radius: 3)
            let title = a.title.count > 30 ? a.title.prefix(29) + "…" : a.title[...]
            chart.text("\(row + 1)  \(title)", x: 18, y: y + side / 2 + 3)
            chart.text("\(row + 1)", x: left + y + side / 2, y: Double(masks.count) * side + 18, anchor: "middle")
            for (column, b) in masks.enumerated() {
                let overlap = MaskOverlap(a.mask, b.mask)
                let chance = total.map {
                    MaskOverlap.expectedJaccard(a.mask.count, b.mask.count, of: max($0, overlap.union))
                }
                let x = left + Double(column) * side
                let description =
                    "\(a.title) and \(b.title): \(overlap.common) neurons in common, Jaccard "
                    + Format.short(overlap.jaccard) + (chance.map { ", by chance \(Format.short($0))" } ?? "")
                chart.box(
                    x: x, y: y, width: side - 2, height: side - 2, style: "fill:var(--grid);fill-opacity:.35", radius: 4
                )
                chart.box(
                    x: x, y: y, width: side - 2, height: side - 2,
                    style: "fill:var(--heat);fill-opacity:\(Format.fixed(overlap.jaccard * 0.55, 3))",
                    title: description,
                    radius: 4)
                chart.text(
                    Format.fixed(overlap.jaccard, 2), x: x + side / 2 - 1, y: y + side / 2, anchor: "middle",
                    style: "fill:var(--ink);font-size:15px;pointer-events:none")
                if let chance, row != column {
                    chart.text(
                        "(\(Format.fixed(chance, 3)))", x: x + side / 2 - 1, y: y + side / 2 + 17, anchor: "middle",
                        style: "font-size:11px;pointer-events:none")
                }
            }
        }
        return section(
            "Overlap of the masks",
            "Jaccard index: neurons in both masks, divided by neurons in either. "
                + (total == nil ? "" : "In parentheses, what two random masks of these sizes would have."),
            chart.svg(label: "Overlap of \(masks.count) masks") + leftOut(all.count, "mask"))
    }
}
