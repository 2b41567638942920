import Models
import Neurons
import Reporting

/// A mask in a few lines for people.
struct MaskSummary {
    private(set) var lines: [String]

    /// `total`: number of neurons of the model.
    init(_ mask: NeuronMask, of total: Int) {
        let share = (Double(mask.count) / Double(total) * 1000).rounded() / 10
        let layers = Set(mask.modules.map(\.layer)).count
        let kinds = Projection.allCases.map { "\($0.shortName) \(mask.count(of: $0))" }.joined(separator: ", ")
        lines = [
            "\(mask.count) of \(total) neurons selected (\(share)%), in \(layers) layers", "by projection: \(kinds)",
        ]
        let writing = [Projection.output, .down].filter { mask.count(of: $0) > 0 }
        guard !writing.isEmpty else { return }
        let channels = writing.map { "\($0.shortName) \(mask.channels(of: $0))" }.joined(separator: ", ")
        lines.append("channels written to: \(channels)")
    }
}

extension NeuronMask {
    /// Selected neurons of one kind of projection.
    func count(of projection: Projection) -> Int {
        modules.filter { $0.projection == projection }.reduce(0) { $0 + $1.rows.count }
    }

    /// Rows of a projection that are selected in at least one layer; for o and down the channels of the residual stream.
    func channels(of projection: Projection) -> Int {
        Set(modules.filter { $0.projection == projection }.flatMap(\.rows)).count
    }

    /// Selected neurons of each layer, from the first to the last that has any.
    var countsByLayer: [Int] {
        var counts = [Int](repeating: 0, count: (modules.map(\.layer).max() ?? -1) + 1)
        for module in modules { counts[module.layer] += module.rows.count }
        return counts
    }
}
