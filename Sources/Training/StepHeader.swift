import Collectives

/// What every rank tells the others in each step, beside its losses: that it does the same step of the same run, and
/// whether it has been asked to stop.
struct StepHeader: Equatable {
    /// From 0.
    var step = 0
    /// Which values are trained: `TrainableRows.identity`.
    var rows: UInt64 = 0
    /// The signal this rank was sent; 0 for none.
    var signal: Int32 = 0

    static let byteCount = 24

    var bytes: [UInt8] {
        [UInt64(step), rows, UInt64(UInt32(bitPattern: signal))].withUnsafeBytes { Array($0) }
    }

    init(step: Int = 0, rows: UInt64 = 0, signal: Int32 = 0) {
        self.step = step
        self.rows = rows
        self.signal = signal
    }

    /// - Parameter bytes: at least `byteCount`.
    init(_ bytes: [UInt8]) {
        bytes.withUnsafeBytes { raw in
            step = Int(truncatingIfNeeded: raw.loadUnaligned(fromByteOffset: 0, as: UInt64.self))
            rows = raw.loadUnaligned(fromByteOffset: 8, as: UInt64.self)
            signal = Int32(truncatingIfNeeded: raw.loadUnaligned(fromByteOffset: 16, as: UInt64.self))
        }
    }

    private var place: String { "step \(step + 1) of rows \(String(rows, radix: 16))" }

    /// Checks that all ranks sent the same step and rows. The same on every rank.
    /// `all`: by rank.
    /// - Returns: the first rank that has been asked to stop.
    func agree(with all: [StepHeader], over communicator: any Communicator) throws(CollectiveError) -> StopRequest? {
        guard all.allSatisfy({ $0.step == step && $0.rows == rows }) else {
            // Collective, and entered by all: what differs for one rank differs for every rank.
            try communicator.requireAgreement(on: "training step", value: place)
            return nil
        }
        return all.firstIndex { $0.signal != 0 }.map { StopRequest(signal: all[$0].signal, rank: $0) }
    }
}

/// A signal that asks the whole run to stop.
public struct StopRequest: Error, Equatable, Sendable {
    /// The signal's number.
    public let signal: Int32
    /// The rank that was sent it; of several the lowest.
    public let rank: Int

    /// A request to one rank.
    public init(signal: Int32, rank: Int) {
        self.signal = signal
        self.rank = rank
    }
}
