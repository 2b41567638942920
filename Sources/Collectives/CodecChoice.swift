/// Whether planes are compressed in one direction: as the options say, or as the first exchanges show (`auto`).
public struct CodecChoice: Equatable, Sendable {
    /// Exchanges that are measured, alternately with and without; the first two only warm up.
    static let trials = 8

    /// Seconds of one exchange with the faster of both, as the ranks agreed on them.
    public struct Measured: Equatable, Sendable {
        /// With compression.
        public let coded: Double
        /// Without.
        public let plain: Double
    }

    /// The choice, once it is made.
    public private(set) var isCoded: Bool?
    /// What it was based on; nil if the options made it.
    public private(set) var measured: Measured?
    /// Seconds by trial.
    private var seconds: [Double] = []

    init(_ options: ExchangeOptions, isAlone: Bool) {
        switch (options.wire, options.codec) {
        case (.raw, _), (_, .none): isCoded = false
        case (_, .zstd): isCoded = true
        case (_, .auto): isCoded = isAlone ? false : nil
        }
    }

    /// Whether the next exchange is coded. Collective when the measurements are complete.
    mutating func next(_ communicator: any Communicator) -> Bool {
        if let isCoded { return isCoded }
        if seconds.count == Self.trials { decide(communicator) }
        return isCoded ?? (seconds.count % 2 == 0)
    }

    mutating func note(seconds: Double) {
        if isCoded == nil { self.seconds.append(seconds) }
    }

    /// An exchange lasts for everyone until the last rank has come: the rank that waited least measured it best. Of
    /// several trials the fastest was disturbed least.
    private mutating func decide(_ communicator: any Communicator) {
        var best = [Double](repeating: .infinity, count: seconds.count)
        for bytes in communicator.allGather(seconds.withUnsafeBytes { Array($0) }) {
            precondition(bytes.count == seconds.count * 8, "CodecChoice: ranks measured different numbers of exchanges")
            bytes.withUnsafeBytes { raw in
                for trial in best.indices {
                    best[trial] = min(best[trial], raw.loadUnaligned(fromByteOffset: trial * 8, as: Double.self))
                }
            }
        }
        let coded = stride(from: 2, to: best.count, by: 2).map { best[$0] }.min()!
        let plain = stride(from: 3, to: best.count, by: 2).map { best[$0] }.min()!
        measured = Measured(coded: coded, plain: plain)
        isCoded = coded < plain
    }
}
