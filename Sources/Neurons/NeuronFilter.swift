import Models

/// Which projections and layers neurons may be selected from.
public struct NeuronFilter: Sendable, Equatable {
    /// nil: all.
    public var projections: Set<Projection>?
    /// nil: all.
    public var layers: Set<Int>?

    /// Lets every neuron through.
    public static let all = NeuronFilter()

    /// Neurons of these projections and layers; nil for all.
    public init(projections: Set<Projection>? = nil, layers: Set<Int>? = nil) {
        self.projections = projections
        self.layers = layers
    }

    func allows(_ module: NeuronProfile.Module) -> Bool {
        projections?.contains(module.projection) ?? true && layers?.contains(module.layer) ?? true
    }

    /// How a mask came to be, for people; nothing for `all`.
    var provenance: [String: String] {
        var facts: [String: String] = [:]
        if let projections { facts["projections"] = projections.sorted().map(\.shortName).joined(separator: ",") }
        if let layers { facts["layers"] = layers.sorted().map { "\($0)" }.joined(separator: ",") }
        return facts
    }

    /// Refuses layers that the profiled model has not.
    func validate(layerCount: Int) throws(NeuronError) {
        guard let layer = layers?.sorted().first(where: { !(0..<layerCount).contains($0) }) else { return }
        throw NeuronError(
            subject: "--layers", found: "layer \(layer)", expected: "layers 0 to \(layerCount - 1)",
            hint: "name layers of this model, such as 0-\(layerCount - 1)")
    }
}
