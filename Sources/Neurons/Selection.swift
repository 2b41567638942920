import Models

/// Within which group of neurons the share is taken.
public enum SelectionScope: String, Sendable, CaseIterable {
    /// The best of the whole model.
    case global
    /// The best of each layer.
    case layer
    /// The best of each projection of each layer.
    case projection
}

extension NeuronProfile {
    /// The neurons with the highest scores: `share` of each group, ties in `NeuronID` order.
    ///
    /// A group of n neurons gives `round(share · n)` of them, halves up, and at least one. Neurons that the filter leaves
    /// out belong to no group.
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
        var groups: [Int: [(score: Double, module: Int, row: Int32)]] = [:]
        for (index, module) in modules.enumerated() where filter.allows(module) {
            let group =
                switch scope {
                case .global: 0
                case .layer: module.layer
                case .projection: index
                }
            for (row, score) in module.scores.enumerated() {
                guard !score.isNaN else {
                    throw NeuronError(
                        subject: "profile",
                        found:
                            "no number as the score of \(NeuronID(layer: module.layer, projection: module.projection, row: row))",
                        expected: "a number for every neuron", hint: "profile again, with a smaller learning rate")
                }
                groups[group, default: []].append((score, index, Int32(row)))
            }
        }
        var rows: [[Int32]] = Array(repeating: [], count: modules.count)
        for (_, var group) in groups.sorted(by: { $0.key < $1.key }) {
            let count = Int((share * Double(group.count)).rounded(.toNearestOrAwayFromZero))
            guard count > 0 else { throw nothing(of: group.count, at: modules[group[0].module], share, scope) }
            // Groups are filled in NeuronID order, which decides between equal scores.
            group.sort { ($0.score, $1.module, $1.row) > ($1.score, $0.module, $0.row) }
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

    /// A share that gives no neuron of a group.
    private func nothing(of count: Int, at module: Module, _ share: Double, _ scope: SelectionScope) -> NeuronError {
        let place =
            switch scope {
            case .global: ""
            case .layer: " of layer \(module.layer)"
            case .projection: " of layer \(module.layer) \(module.projection.shortName)"
            }
        return NeuronError(
            subject: "--top", found: "\(share * 100)% of the \(count) neurons\(place), which is none",
            expected: "at least one neuron" + (scope == .global ? "" : " of every \(scope.rawValue)"),
            hint: "give a larger share" + (scope == .global ? "" : ", or a wider --scope"))
    }
}
