import Models

/// One neuron: an output row of one of the seven projections of a block, in Hugging Face row order.
///
/// Ordered by layer, projection, row; the order of masks, packed rows and ties.
public struct NeuronID: Hashable, Comparable, Sendable, CustomStringConvertible {
    /// The block, from 0.
    public var layer: Int
    /// The projection of the block.
    public var projection: Projection
    /// The row of its matrix, from 0, in Hugging Face order.
    public var row: Int

    /// A neuron by its place.
    public init(layer: Int, projection: Projection, row: Int) {
        self.layer = layer
        self.projection = projection
        self.row = row
    }

    public static func < (a: NeuronID, b: NeuronID) -> Bool {
        (a.layer, a.projection.rawValue, a.row) < (b.layer, b.projection.rawValue, b.row)
    }

    public var description: String { "layer \(layer) \(projection.shortName) row \(row)" }
}

extension LanguageModel {
    /// The projections in `NeuronID` order: index of the weight and of the bias, if there is one, in `parameters`, module,
    /// layer, projection and number of neurons.
    public var projections:
        [(parameter: Int, bias: Int?, module: String, layer: Int, projection: Projection, rows: Int)]
    {
        let biases = Dictionary(
            uniqueKeysWithValues: parameters.indices.filter { parameters[$0].isBias }.map {
                (parameters[$0].module, $0)
            })
        return parameters.enumerated().compactMap { index, parameter in
            guard case .projection(let layer, let projection) = parameter.role else { return nil }
            return (index, biases[parameter.module], parameter.module, layer, projection, parameter.rows)
        }
    }

    /// Number of neurons.
    public var neuronCount: Int { projections.reduce(0) { $0 + $1.rows } }
}
