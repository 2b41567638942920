extension Report {
    /// Time and bytes per step of each group.
    var stepCosts: String {
        struct Cost {
            let group: Int
            let compute, exchange, rest: Double
            let wire, raw: Double
            var seconds: Double { compute + exchange + rest }
        }
        let costs = groups.enumerated().compactMap { index, group -> Cost? in
            let steps = group.runs.flatMap(\.steps)
            guard let seconds = Statistics.median(steps.compactMap(\.stepSeconds)) else { return nil }
            let compute = Statistics.median(steps.compactMap(\.computeSeconds)) ?? 0
            let exchange = Statistics.median(steps.compactMap(\.exchangeSeconds)) ?? 0
            return Cost(
                group: index, compute: compute, exchange: exchange, rest: max(0, seconds - compute - exchange),
                wire: Statistics.median(steps.compactMap(\.wireBytes)) ?? 0,
                raw: Statistics.median(steps.compactMap(\.rawBytes)) ?? 0)
        }
        guard !costs.isEmpty else { return "" }
        func bars(
            _ title: String, top: Double, _ parts: (Cost) -> [(value: Double, opacity: Double, name: String)],
            _ label: (Cost) -> String
        ) -> String {
            let row = 40.0
            var chart = Chart(width: 480, height: Double(costs.count) * row + 4, x: 0...1, y: 0...1)
            for (index, cost) in costs.enumerated() {
                let y = Double(index) * row
                let name = groups[cost.group].label
                chart.text(name.count > 76 ? name.prefix(75) + "…" : name, x: 0, y: y + 12)
                var x = 0.0
                for part in parts(cost) {
                    let width = top > 0 ? part.value / top * 330 : 0
                    chart.box(
                        x: x, y: y + 18, width: width, height: 15,
                        style: "fill:\(Self.colour(cost.group));fill-opacity:\(part.opacity)",
                        title: "\(name): \(part.name)")
                    x += width
                }
                chart.text(label(cost), x: x + 8, y: y + 30, style: "fill:var(--ink)")
            }
            return "<div><h3>\(title)</h3>\(chart.svg(label: title))</div>"
        }
        let time = bars(
            "Seconds per step <small>computing, waiting for the exchange, the rest: from strong to faint</small>",
            top: costs.map(\.seconds).max() ?? 0,
            { cost in
                [
                    (cost.compute, 1, "\(Format.short(cost.compute)) s computing"),
                    (cost.exchange, 0.55, "\(Format.short(cost.exchange)) s waiting for the exchange"),
                    (cost.rest, 0.25, "\(Format.short(cost.rest)) s of anything else"),
                ]
            }, { "\(Format.short($0.seconds)) s" })
        let bytes = bars(
            "Bytes sent per rank and step <small>strong: on the wire; faint: saved by coding</small>",
            top: costs.map { max($0.raw, $0.wire) }.max() ?? 0,
            { cost in
                [
                    (cost.wire, 1, "\(Human.bytes(Int(cost.wire))) sent"),
                    (max(0, cost.raw - cost.wire), 0.25, "\(Human.bytes(Int(cost.raw))) before coding"),
                ]
            },
            { cost in
                cost.raw > 0 ? "\(Human.bytes(Int(cost.wire))) of \(Human.bytes(Int(cost.raw)))" : "nothing (one rank)"
            })
        return section(
            "Time and bytes per step", "Medians over the steps of a group's runs.",
            "<div class=\"maps\">\(time)\(bytes)</div>")
    }
}
