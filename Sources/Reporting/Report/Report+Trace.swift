extension Report {
    /// The last recorded step of each run that has a time line, rank below rank: what it did when, layer by layer.
    var timelines: String {
        let parts = runs.compactMap { run -> String? in
            guard let events = run.trace, let step = Self.lastStep(of: events) else { return nil }
            let ranks = Set(step.map(\.pid)).sorted().prefix(8)
            let (start, end) = (step.map(\.ts).min() ?? 0, step.map { $0.ts + $0.dur }.max() ?? 1)
            let lane = 34.0
            var chart = Chart(
                height: lane * Double(ranks.count) + 48, left: 58, bottom: 42, x: 0...(end - start) / 1e3, y: 0...1)
            chart.axes(x: "milliseconds", y: "", yLabel: { _ in "" })
            for (index, rank) in ranks.enumerated() {
                let y = 8 + lane * Double(index)
                chart.text("rank \(rank)", x: 50, y: y + 16, anchor: "end")
                for event in step where event.pid == rank {
                    let from = chart.pointX((event.ts - start) / 1e3)
                    let to = chart.pointX((event.ts + event.dur - start) / 1e3)
                    let layer = event.args.layer.map { ", layer \($0)" } ?? ""
                    chart.box(
                        x: from, y: y, width: max(0.5, to - from), height: lane - 12,
                        style: "fill:\(Self.colour(of: event.name));stroke:var(--card);stroke-width:.4",
                        title: "\(event.name)\(layer): \(Format.short(event.dur / 1e3)) ms")
                }
            }
            var totals: [(name: String, time: Double)] = []
            for event in step where event.pid == ranks.first {
                if let known = totals.firstIndex(where: { $0.name == event.name }) {
                    totals[known].time += event.dur
                } else {
                    totals.append((event.name, event.dur))
                }
            }
            let items = totals.map { name, time in
                "<li><i class=\"swatch\" style=\"background:\(Self.colour(of: name))\"></i>\(Format.escaped(name)) "
                    + "<small>\(Format.short(time / 1e3)) ms</small></li>"
            }
            return "<div><h3>\(Format.escaped(run.name))</h3>\(chart.svg(label: "Time line of \(run.name)"))"
                + "<ul class=\"legend\">\(items.joined())</ul></div>"
        }
        guard !parts.isEmpty else { return "" }
        return section(
            "Time line of a step",
            "One step from left to right; a box per layer and phase. <code>neft train --trace RUN/trace.json</code> records it.",
            parts.joined())
    }

    /// The events of each rank's last step; a step ends with its update.
    private static func lastStep(of events: [TraceFile.Event]) -> [TraceFile.Event]? {
        var last: [TraceFile.Event] = []
        for rank in Set(events.map(\.pid)) {
            let own = events.filter { $0.pid == rank }.sorted { $0.ts < $1.ts }
            let updates = own.indices.filter { own[$0].name == "update" }
            guard let end = updates.last else { continue }
            let begin = updates.dropLast().last.map { $0 + 1 } ?? 0
            let start = own[begin].ts
            last += own[begin...end].map { event in
                var event = event
                event.ts -= start
                return event
            }
        }
        return last.isEmpty ? nil : last
    }

    private static func colour(of name: String) -> String {
        switch name {
        case "attention": "var(--c0)"
        case "feed-forward": "var(--c2)"
        case "head and loss": "var(--c4)"
        case "attention backward": "var(--c6)"
        case "feed-forward backward": "var(--c3)"
        case "recompute": "var(--c7)"
        case "update": "var(--c5)"
        default: "var(--c1)"
        }
    }
}
