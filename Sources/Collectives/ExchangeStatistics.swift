/// What exchanges have cost this rank.
public struct ExchangeStatistics: Equatable, Sendable {
    /// Bytes this rank would have sent as plain floats.
    public var rawBytes = 0
    /// Bytes this rank has sent: messages, their sizes, and the sums of the gradient norm.
    public var wireBytes = 0
    /// Those of `wireBytes` that were on their way to owners; the rest were on their way back.
    public var reduceWireBytes = 0
    /// Time spent coding, and adding the sums of a node, seconds.
    public var encodeSeconds = 0.0
    /// Time spent decoding, adding partial sums and handing out values, seconds.
    public var decodeSeconds = 0.0
    /// Time in the exchange that was neither: sending and waiting for the other ranks, seconds.
    public var waitSeconds = 0.0
    /// Time in the exchange in which this rank's next values were still being computed, seconds. Not part of the others.
    public var gateSeconds = 0.0

    /// Nothing sent yet.
    public init() {}

    /// What the exchange takes by itself, seconds.
    public var busySeconds: Double { encodeSeconds + decodeSeconds + waitSeconds }

    /// Adds times and bytes.
    public static func += (sum: inout ExchangeStatistics, other: ExchangeStatistics) {
        sum.rawBytes += other.rawBytes
        sum.wireBytes += other.wireBytes
        sum.reduceWireBytes += other.reduceWireBytes
        sum.encodeSeconds += other.encodeSeconds
        sum.decodeSeconds += other.decodeSeconds
        sum.waitSeconds += other.waitSeconds
        sum.gateSeconds += other.gateSeconds
    }
}
