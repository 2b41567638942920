/// The seven linear projections of a block; their output rows are the neurons.
/// Raw values order neurons within a layer and are part of the mask file's meaning.
public enum Projection: Int, CaseIterable, Sendable, Comparable {
    /// Queries of the attention, `[heads · headDim, hidden]`.
    case query = 0
    /// Keys, values and output of the attention; gate, up and down of the feed-forward network.
    case key, value, output, gate, up, down

    public static func < (a: Projection, b: Projection) -> Bool { a.rawValue < b.rawValue }

    /// Short name used in tables and options: `q k v o gate up down`.
    public var shortName: String {
        switch self {
        case .query: "q"
        case .key: "k"
        case .value: "v"
        case .output: "o"
        case .gate: "gate"
        case .up: "up"
        case .down: "down"
        }
    }
}
