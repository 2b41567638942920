/// How the rows of a step are exchanged. All combinations with wires `raw` and `exact` give the same bits.
public struct ExchangeOptions: Equatable, Sendable {
    /// Who applies the optimizer to a value.
    public enum Mode: String, CaseIterable, Sendable {
        /// The owner of its slice alone, which sends the new weights: optimizer state and work are 1/P per rank.
        case sharded
        /// Every rank: the summed gradients are sent to all. The oracle of `sharded`.
        case allreduce
    }

    /// What travels.
    public enum Wire: String, CaseIterable, Sendable {
        /// Plain floats. The oracle of `exact`.
        case raw
        /// The same values, losslessly coded: gradients as byte planes, weights as differences of bit patterns.
        case exact
        /// Rounded to bfloat16: gradients, with what rounding took away added to the next step's (error feedback), and
        /// the trained weights, of which the owner keeps the rest. Lossy; the same from run to run at one rank count.
        case bf16
    }

    /// Whether byte planes that compress are coded. Never changes a bit of the result.
    public enum Codec: String, CaseIterable, Sendable {
        /// Measures both in the first steps, for gradients and weights apart, and keeps the faster.
        case auto
        /// With zstd.
        case zstd
        /// Not at all: `exact` then travels as `raw` does, `bf16` as plain 16-bit words.
        case none
    }

    /// Whether the ranks of a node sum in shared memory before they exchange with other nodes. Needs nodes with equal
    /// numbers of ranks and powers of two of ranks, on a node and in all; else ranks exchange as if it were off.
    public enum Hierarchy: String, CaseIterable, Sendable {
        /// Where there are several nodes with several ranks each.
        case auto
        /// Also on a single node.
        case on
        /// Never.
        case off
    }

    /// Who updates a row.
    public var mode: Mode
    /// What travels between ranks.
    public var wire: Wire
    /// Whether messages are compressed.
    public var codec: Codec
    /// Whether the ranks of a node sum in shared memory first.
    public var hierarchy: Hierarchy

    /// Options as they are named.
    public init(mode: Mode = .sharded, wire: Wire = .exact, codec: Codec = .auto, hierarchy: Hierarchy = .auto) {
        self.mode = mode
        self.wire = wire
        self.codec = codec
        self.hierarchy = hierarchy
    }

    /// The same with nothing lossy.
    public var lossless: ExchangeOptions {
        var options = self
        if wire == .bf16 { options.wire = .exact }
        return options
    }

    /// Ranks that share memory with one another.
    func groupSize(in communicator: any Communicator) -> Int {
        let (size, node) = (communicator.size, communicator.ranksPerNode)
        guard node > 1, size % node == 0, size & (size - 1) == 0, node & (node - 1) == 0 else { return 1 }
        return switch hierarchy {
        case .off: 1
        case .on: node
        case .auto: size > node ? node : 1
        }
    }
}
