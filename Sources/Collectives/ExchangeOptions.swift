/// How the rows of a step are exchanged. Every combination gives the same bits.
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
    }

    /// The coder behind `Wire.exact`.
    public enum Codec: String, CaseIterable, Sendable {
        /// Byte planes, those that compress coded with zstd.
        case zstd
        /// None: `exact` then travels as `raw` does.
        case none
    }

    public var mode: Mode
    public var wire: Wire
    public var codec: Codec

    public init(mode: Mode = .sharded, wire: Wire = .exact, codec: Codec = .zstd) {
        self.mode = mode
        self.wire = wire
        self.codec = codec
    }

    /// Whether messages pass the codec.
    var isCoded: Bool { wire == .exact && codec == .zstd }
}
