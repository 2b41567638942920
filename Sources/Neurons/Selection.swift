import Models

/// Within which group of neurons the share is taken.
public enum SelectionScope: String, Sendable, CaseIterable {
    /// The best of the whole model.
    case global
    /// The best of each layer.
    case layer
    /// The best of each projection of each layer.
    case projection
    /// The best of each projection of each layer, in all as many as `global` takes; but a row of o or down counts by how much
    /// better it is placed in its layer than the same channel is in the others, and only then by its score.
    case spread
}

extension NeuronProfile {
    /// The neurons with the highest scores: `share` of each group, ties in `NeuronID` order.
    ///
    /// A group of n neurons gives `round(share · n)` of them, halves up, and at least one. The projections of `spread` give
    /// `share · n`, rounded down, and those with the largest remainders one more each, until all give `round(share · N)`
    /// of their N neurons together. Neurons that the filter leaves out belong to no group.
    /// - Parameters:
    ///   - share: in `0 < share ≤ 1`.
    ///   - scope: from which groups the share is taken.
    ///   - filter: which neurons may be taken.
    /// - Throws: for a score that is not a number, a share out of range or one that selects nothing of a group, and a
    ///   filter that names layers the model has not.
    public func select(
        share: Double, scope: SelectionScope = .global, from filter: NeuronFilter = .all
    ) throws(NeuronError) -> NeuronMask {
        guard share > 0, share <= 1 else {
            throw NeuronError(
                subject: "--top", found: "\(share * 100)%", expected: "more than 0% and at most 100%",
                hint: "give a share of the neurons such as 6%")
        }
        try filter.validate(layerCount: (modules.map(\.layer).max() ?? -1) + 1)
        for module in modules where filter.allows(module) {
            guard let row = module.scores.firstIndex(where: \.isNaN) else { continue }
            throw NeuronError(
                subject: "profile",
                found:
                    "no number as the score of \(NeuronID(layer: module.layer, projection: module.projection, row: row))",
                expected: "a number for every neuron", hint: "profile again, with a smaller learning rate")
        }
        let advantages = scope == .spread ? try channelAdvantages(filter) : [:]
        var groups: [Int: [(advantage: Int, score: Double, module: Int, row: Int32)]] = [:]
        for (index, module) in modules.enumerated() where filter.allows(module) {
            let group =
                switch scope {
                case .global: 0
                case .layer: module.layer
                case .projection, .spread: index
                }
            for (row, score) in module.scores.enumerated() {
                groups[group, default: []].append((advantages[index]?[row] ?? 0, score, index, Int32(row)))
            }
        }
        var rows: [[Int32]] = Array(repeating: [], count: modules.count)
        let inOrder = groups.sorted { $0.key < $1.key }.map(\.value)
        let counts = Self.counts(of: inOrder.map(\.count), share, scope)
        for (var group, count) in zip(inOrder, counts) {
            guard count > 0 || scope == .spread && counts.contains(where: { $0 > 0 }) else {
                let all = scope == .spread ? inOrder.reduce(0) { $0 + $1.count } : group.count
                throw nothing(of: all, at: modules[group[0].module], share, scope)
            }
            // Groups are filled in NeuronID order, which decides between equal scores.
            group.sort {
                ($0.advantage, $0.score, $1.module, $1.row) > ($1.advantage, $1.score, $0.module, $0.row)
            }
            for entry in group.prefix(count) { rows[entry.module].append(entry.row) }
        }
        let selected = zip(modules, rows).filter { !$0.1.isEmpty }.map { module, rows in
            NeuronMask.Module(
                name: module.name, layer: module.layer, projection: module.projection, rows: rows.sorted())
        }
        return NeuronMask(
            modules: selected, baseHash: baseHash,
            provenance: ["method": method, "share": "\(share)", "scope": scope.rawValue, "neurons": "\(neuronCount)"]
                .merging(filter.provenance, uniquingKeysWith: { first, _ in first })
                .merging(details.map { ("detail.\($0.key)", $0.value) }, uniquingKeysWith: { first, _ in first }))
    }

    /// How many neurons each group gives.
    private static func counts(of sizes: [Int], _ share: Double, _ scope: SelectionScope) -> [Int] {
        func rounded(_ size: Int) -> Int { Int((share * Double(size)).rounded(.toNearestOrAwayFromZero)) }
        guard scope == .spread else { return sizes.map(rounded) }
        var counts = sizes.map { Int(share * Double($0)) }
        let remainders = sizes.map { share * Double($0) - Double(Int(share * Double($0))) }
        let more = rounded(sizes.reduce(0, +)) - counts.reduce(0, +)
        for group in sizes.indices.sorted(by: { (remainders[$1], $0) < (remainders[$0], $1) }).prefix(more) {
            counts[group] += 1
        }
        return counts
    }

    /// For o and down of each layer that the filter lets through, by module: how many places by score each row is better in
    /// its layer than the same channel is in all on average, times the number of layers. Equal scores are placed in
    /// `NeuronID` order. Nothing where there is only one layer.
    ///
    /// Profilers favour the same few channels in all layers: by score alone, training changes what is written to few others.
    private func channelAdvantages(_ filter: NeuronFilter) throws(NeuronError) -> [Int: [Int]] {
        var advantages: [Int: [Int]] = [:]
        for projection in [Projection.output, .down] {
            let layers = modules.indices.filter { modules[$0].projection == projection && filter.allows(modules[$0]) }
            guard layers.count > 1 else { continue }
            let channels = modules[layers[0]].scores.count
            if let other = layers.first(where: { modules[$0].scores.count != channels }) {
                throw NeuronError(
                    subject: "profile", found: "\(modules[other].scores.count) scores of \(modules[other].name)",
                    expected: "\(channels), as of \(modules[layers[0]].name): both write to the same channels",
                    hint: "profile again, or choose another --scope")
            }
            var sums = [Int](repeating: 0, count: channels)
            for index in layers {
                let scores = modules[index].scores
                let rising = scores.indices.sorted { (scores[$0], $1) < (scores[$1], $0) }
                var places = sums
                for (place, row) in rising.enumerated() { places[row] = place }
                for row in rising { sums[row] += places[row] }
                advantages[index] = places.map { $0 * layers.count }
            }
            for index in layers { advantages[index] = zip(advantages[index] ?? [], sums).map(-) }
        }
        return advantages
    }

    /// A share that gives no neuron of a group.
    private func nothing(of count: Int, at module: Module, _ share: Double, _ scope: SelectionScope) -> NeuronError {
        let place =
            switch scope {
            case .global, .spread: ""
            case .layer: " of layer \(module.layer)"
            case .projection: " of layer \(module.layer) \(module.projection.shortName)"
            }
        return NeuronError(
            subject: "--top", found: "\(share * 100)% of the \(count) neurons\(place), which is none",
            expected: "at least one neuron" + (place.isEmpty ? "" : " of every \(scope.rawValue)"),
            hint: "give a larger share" + (place.isEmpty ? "" : ", or a wider --scope"))
    }
}
