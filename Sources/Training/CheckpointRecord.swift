import Foundation

/// `state.json` of a checkpoint: how far the run is, and whose it is.
public struct CheckpointRecord: Codable, Equatable, Sendable {
    /// How the run that writes checkpoints is made; the same for all its checkpoints.
    public struct Maker: Codable, Equatable, Sendable {
        /// Version of neft.
        public var neftVersion: String
        /// What decides the last bits of a product: the kernel and the processor's type.
        public var arithmetic: String
        /// Hash of the untrained model.
        public var baseHash: String
        /// nil where all rows are trained.
        public var maskHash: String?

        /// How a run is made.
        public init(neftVersion: String, arithmetic: String, baseHash: String, maskHash: String?) {
            self.neftVersion = neftVersion
            self.arithmetic = arithmetic
            self.baseHash = baseHash
            self.maskHash = maskHash
        }
    }

    static let formatVersion = 1

    /// Of the record; another one is refused.
    public var formatVersion = CheckpointRecord.formatVersion
    /// Steps done. The next batch and its learning rate are functions of it.
    public var step: Int
    /// Steps of the whole run.
    public var totalSteps: Int
    /// Steps that changed the weights: those the optimizer has counted.
    public var updates: Int
    /// Trained values.
    public var valueCount: Int
    /// What the steps so far did.
    public var summary: TrainingSummary
    /// nil where nothing has been measured.
    public var validation: ValidationRecord?
    /// What a run that goes on must have in common with this one.
    public var identity: RunIdentity
    /// How the run was made.
    public var maker: Maker
    /// Which rank owned which values; see `StateTransfer.layout`.
    public var layout: String

    /// What cannot be so; nil if all is well.
    var fault: String? {
        if formatVersion != Self.formatVersion { return "format version \(formatVersion), not \(Self.formatVersion)" }
        guard step >= 1, step <= totalSteps, totalSteps <= 1 << 48, updates >= 0, updates <= step, valueCount >= 1
        else {
            return "step \(step) of \(totalSteps) with \(updates) updates of \(valueCount) values"
        }
        return nil
    }

    /// Bytes that `init(bytes:)` takes.
    public func bytes() throws -> [UInt8] {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        return Array(try encoder.encode(self)) + Array("\n".utf8)
    }

    /// Reads what `bytes` gives; throws the decoder's error for anything else.
    public init(bytes: [UInt8]) throws { self = try JSONDecoder().decode(Self.self, from: Data(bytes)) }

    init(
        step: Int, totalSteps: Int, updates: Int, valueCount: Int, summary: TrainingSummary,
        validation: ValidationRecord? = nil, identity: RunIdentity, maker: Maker, layout: String
    ) {
        self.step = step
        self.totalSteps = totalSteps
        self.updates = updates
        self.valueCount = valueCount
        self.summary = summary
        self.validation = validation
        self.identity = identity
        self.maker = maker
        self.layout = layout
    }
}
