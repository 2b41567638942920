import Collectives
import Foundation
import Models

/// Predicts the memory, the traffic and the time of a training step, before any machine is booked.
///
/// Deliberately small: a step is its arithmetic at a measured rate, plus what of the exchange cannot hide behind it. The
/// constants are measured, by `neft bench step` and `neft bench exchange`.
public struct CostModel: Sendable {
    /// What travels, and what it costs, per value.
    public struct Codec: Sendable, Equatable {
        /// Bits per value on the wire.
        public var gradientBits: Double
        /// The same for the weights on their way back.
        public var weightBits: Double
        /// Seconds of a core per value: coding before, and decoding and use after; 0 where values travel as they are.
        public var encodeSeconds: Double
        /// The way back: decoding and use.
        public var decodeSeconds: Double

        /// Costs as they are named.
        public init(gradientBits: Double, weightBits: Double, encodeSeconds: Double, decodeSeconds: Double) {
            self.gradientBits = gradientBits
            self.weightBits = weightBits
            self.encodeSeconds = encodeSeconds
            self.decodeSeconds = decodeSeconds
        }
    }

    /// What is measured of machines, and not computed.
    public struct Constants: Sendable, Equatable {
        /// 1e9 operations per second of a rank within a step: its products' operations by the step's time.
        public var gigaflops: Double
        /// What each wire costs.
        public var codecs: [ExchangeOptions.Wire: Codec]
        /// Share of a link's nominal speed that data reaches.
        public var linkEfficiency = 0.95
        /// Seconds per message: of the rank that sends it.
        public var messageSeconds = 15e-6
        /// Seconds until all ranks have noticed that a bucket has arrived: pauses between looks, and scheduling.
        public var roundSeconds = 0.75e-3
        /// Seconds of a core per byte that goes out and comes in: the system's network code.
        public var byteSeconds = 0.6e-9
        /// Seconds to add, or to copy, a value.
        public var sumSeconds = 0.6e-9
        /// Ranks that a core of this kind must serve while they exchange, 1 where each has its own.
        public var ranksPerCore = 1.0

        /// Constants of a rank, the others at their defaults.
        public init(gigaflops: Double, codecs: [ExchangeOptions.Wire: Codec]) {
            self.gigaflops = gigaflops
            self.codecs = codecs
        }
    }

    /// What is to be trained, and how.
    public struct Plan: Sendable {
        /// Sizes of the model.
        public var configuration: DecoderConfiguration
        /// Values of the selected rows.
        public var selectedCount: Int
        /// Rows of a step, and rows that are computed at once.
        public var globalBatch: Int
        /// Rows that a rank computes at once.
        public var microBatch: Int
        /// Tokens of a row, and how many of them are learned.
        public var rowTokens: Int
        /// Of a row's tokens, those in the loss.
        public var rowTargets: Int
        /// Number of ranks.
        public var ranks: Int
        /// Ranks that share a host's link.
        public var ranksPerHost: Int
        /// Bytes per second each way.
        public var linkBytesPerSecond: Double
        /// Of a message, one way.
        public var latencySeconds: Double
        /// Threads of a rank.
        public var threads: Int
        /// Of the products with weights.
        public var compute: ComputeType
        /// Whether backward passes compute activations again.
        public var recomputes: Bool

        /// A plan as its parts are named.
        public init(
            configuration: DecoderConfiguration, selectedCount: Int, globalBatch: Int, microBatch: Int,
            rowTokens: Int, rowTargets: Int, ranks: Int, ranksPerHost: Int, linkBytesPerSecond: Double,
            latencySeconds: Double, threads: Int, compute: ComputeType = .float32, recomputes: Bool = false
        ) {
            self.configuration = configuration
            self.selectedCount = selectedCount
            self.globalBatch = globalBatch
            self.microBatch = microBatch
            self.rowTokens = rowTokens
            self.rowTargets = rowTargets
            self.ranks = ranks
            self.ranksPerHost = ranksPerHost
            self.linkBytesPerSecond = linkBytesPerSecond
            self.latencySeconds = latencySeconds
            self.threads = threads
            self.compute = compute
            self.recomputes = recomputes
        }
    }

    /// What a step is expected to take.
    public struct Prediction: Sendable, Equatable {
        /// The wire it is for.
        public var wire: ExchangeOptions.Wire
        /// Bytes that a rank sends in a step.
        public var wireBytes: Double
        /// Forward and backward passes of the rank with the most micro-batches.
        public var computeSeconds: Double
        /// Sum of gradients, and weights back.
        public var reduceSeconds: Double
        /// The second half: weights back.
        public var shareSeconds: Double
        /// What of both the step waits for.
        public var exposedSeconds: Double
        /// Computation, and the part of the exchange that it waits for.
        public var stepSeconds: Double { computeSeconds + exposedSeconds }
        /// Over all ranks.
        public var tokensPerSecond: Double
        /// Speed per rank, relative to one rank that computes the same global batch.
        public var efficiency: Double
    }

    /// What was measured.
    public var constants: Constants

    /// A model with these constants.
    public init(constants: Constants) { self.constants = constants }

    /// Operations of a micro-batch's forward and backward pass: products with the weights, twice per token and value
    /// forward and for the gradients of the inputs, for the head at the targets only; the selected rows' own
    /// gradients; causal attention, two products forward and five backward.
    public func operations(_ plan: Plan) -> Double {
        let c = plan.configuration
        let tokens = Double(plan.microBatch * plan.rowTokens)
        let projections = Double(Self.projectionValues(c))
        let head = Double(c.vocabularySize * c.hiddenSize) * Double(plan.microBatch * plan.rowTargets)
        let attention = tokens * Double(plan.rowTokens) / 2 * Double(c.queryWidth * c.layerCount)
        // Computing again is a forward pass but for its last product, in all layers but the last.
        let again = plan.recomputes ? Double(c.layerCount - 1) / Double(c.layerCount) : 0
        let down = Double(c.layerCount * c.hiddenSize * c.intermediateSize)
        return 2
            * (again * (tokens * (projections - down) + 2 * attention) + 2 * tokens * projections + tokens
                * Double(plan.selectedCount) + 2 * head + 7 * attention)
    }

    /// Values of all projections.
    public static func projectionValues(_ c: DecoderConfiguration) -> Int {
        c.layerCount * Projection.allCases.reduce(0) { $0 + c.shape(of: $1).reduce(1, *) }
    }

    /// MiB of a rank: weights, activations of a micro-batch, gradients with the sums of the tree, moments of the owned
    /// slice, messages.
    /// - Parameters:
    ///   - plan: what is to be trained, and how.
    ///   - updates: whether weights change; else there are gradients only.
    public static func memoryMiB(_ plan: Plan, updates: Bool = true) -> Double {
        let c = plan.configuration
        let embedding = c.vocabularySize * c.hiddenSize
        let matrices = projectionValues(c) + embedding * (c.tiedHead ? 1 : 2)
        // In bfloat16 beside the selected rows in fp32, or all in fp32.
        let weights =
            c.hiddenSize * (2 * c.layerCount + 1)
            + (plan.compute == .bfloat16 ? matrices / 2 + (updates ? plan.selectedCount : 0) : matrices)
        let leaves = leavesPerRank(plan)
        let levels = leaves <= 1 ? 0 : Int(log2(Double(leaves)).rounded(.up))
        let largest = plan.selectedCount / max(1, c.layerCount * c.hiddenSize)
        let activations = Decoder.workspaceFloats(
            c, compute: plan.compute, recomputes: plan.recomputes, threads: plan.threads,
            tokens: plan.microBatch * plan.rowTokens,
            targets: plan.microBatch * plan.rowTargets, longestRow: plan.rowTokens, selectedRows: largest)
        // Two buckets under way in each direction.
        let messages = plan.ranks > 1 ? min(plan.selectedCount, 2 << 20) * 4 : 0
        let values =
            weights + activations + plan.selectedCount * (1 + levels)
            + (updates ? 2 * plan.selectedCount / plan.ranks : 0) + messages
        return Double(values) * 4 / 1_048_576 + 60
    }

    /// MiB of a host's ranks together: what frozen weights take once, everything else for each of them.
    /// - Parameters:
    ///   - plan: what is to be trained, and how; its `ranksPerHost`, or all ranks if they are fewer.
    ///   - updates: whether weights change; else there are gradients only.
    ///   - holdsWeights: whether every rank holds its own copy of the weights already: it is not counted again.
    public static func hostMemoryMiB(_ plan: Plan, updates: Bool = true, holdsWeights: Bool = false) -> Double {
        let ranks = Double(min(plan.ranks, plan.ranksPerHost))
        let shared = sharedMiB(plan, updates: updates)
        return ranks * (memoryMiB(plan, updates: updates) - shared) + (holdsWeights ? 0 : shared)
    }

    /// MiB of the weights' pages that no trained row touches. Trained rows are taken to lie anywhere.
    private static func sharedMiB(_ plan: Plan, updates: Bool) -> Double {
        let c = plan.configuration
        let projections = projectionValues(c)
        guard !updates || plan.selectedCount <= projections else { return 0 }  // All weights.
        let size = plan.compute == .bfloat16 ? 2 : 4
        let trained = updates ? Double(plan.selectedCount) / Double(projections) : 0
        let rowsOfAPage = 4096 / Double(c.hiddenSize * size) + 1
        let embedding = Double(c.vocabularySize * c.hiddenSize * (c.tiedHead ? 1 : 2))
        let frozen = Double(projections) * pow(1 - trained, rowsOfAPage) + embedding
        return frozen * Double(size) / 1_048_576
    }

    private static func leavesPerRank(_ plan: Plan) -> Int {
        let leaves = (plan.globalBatch + plan.microBatch - 1) / plan.microBatch
        return (leaves + plan.ranks - 1) / plan.ranks
    }

    /// What a step of the plan takes with a wire. A pure function.
    public func predict(_ plan: Plan, wire: ExchangeOptions.Wire) -> Prediction {
        let leafSeconds = operations(plan) / (constants.gigaflops * 1e9)
        let leaves = (plan.globalBatch + plan.microBatch - 1) / plan.microBatch
        let compute = Double(Self.leavesPerRank(plan)) * leafSeconds
        let exchange = exchange(plan, wire: wire)
        // Gradients travel while the last micro-batch's backward pass goes on, which is two thirds of it, and weights
        // while the next step's first forward pass does. The last bucket of the ones and the first of the others cannot
        // hide.
        let canHide = 1 - 1 / Double(Self.buckets(plan))
        let exposed =
            exchange.reduce - min(exchange.reduce * canHide, leafSeconds * 2 / 3)
            + exchange.share - min(exchange.share * canHide, leafSeconds / 3)
        let step = compute + exposed
        let tokens = Double(plan.globalBatch * plan.rowTokens)
        return Prediction(
            wire: wire, wireBytes: exchange.bytes, computeSeconds: compute, reduceSeconds: exchange.reduce,
            shareSeconds: exchange.share, exposedSeconds: exposed, tokensPerSecond: tokens / step,
            efficiency: Double(leaves) * leafSeconds / (Double(plan.ranks) * step))
    }

    /// The exchange alone.
    public func exchange(_ plan: Plan, wire: ExchangeOptions.Wire) -> (
        bytes: Double, reduce: Double, share: Double
    ) {
        guard plan.ranks > 1, let codec = constants.codecs[wire] else { return (0, 0, 0) }
        let count = Double(plan.selectedCount)
        let others = Double(plan.ranks - 1)
        let travelling = count * others / Double(plan.ranks)
        // A host's ranks share its link; what they send each other does not take it.
        let local = Double(min(plan.ranksPerHost, plan.ranks))
        let remote = plan.ranks == Int(local) ? 0 : (Double(plan.ranks) - local) / others
        let link = plan.linkBytesPerSecond * constants.linkEfficiency / local
        let buckets = Double(Self.buckets(plan))
        let chunks = { (bytes: Double) in max(others * buckets, bytes / 60_000) }
        // Sizes of coded messages travel before the messages.
        let rounds = codec.encodeSeconds > 0 ? 2.0 : 1.0
        func seconds(bits: Double, encoded: Double, decoded: Double) -> Double {
            let bytes = travelling * bits / 8
            let wire =
                bytes * remote / link
                + buckets * rounds * (plan.latencySeconds + constants.roundSeconds * constants.ranksPerCore)
            let messages = (chunks(bytes) + (rounds - 1) * others * buckets) * constants.messageSeconds
            let work =
                constants.ranksPerCore
                * (encoded * codec.encodeSeconds + decoded * codec.decodeSeconds + travelling * constants.sumSeconds
                    + bytes * constants.byteSeconds + messages)
            // Coding of one bucket goes beside the transfer of another; of the first and last there is no other.
            return max(wire, work) + min(wire, work) / buckets
        }
        let reduce = seconds(bits: codec.gradientBits, encoded: travelling, decoded: travelling)
        let share = seconds(bits: codec.weightBits, encoded: count / Double(plan.ranks), decoded: travelling)
        return (travelling * (codec.gradientBits + codec.weightBits) / 8, reduce, share)
    }

    /// Buckets of the exchange, as `SliceLayout` cuts them.
    private static func buckets(_ plan: Plan) -> Int {
        SliceLayout(count: plan.selectedCount, size: plan.ranks).bucketCount
    }

    /// On which links a wire is faster than `raw`.
    public enum BreakEven: Sendable, Equatable {
        /// Slower, or faster, on every link.
        case never, always
        /// Bytes per second, each way, of a host's link.
        case below(Double)
    }

    /// Where a wire begins to pay, by bisection between 100 kB/s and 1 TB/s.
    public func breakEven(_ plan: Plan, wire: ExchangeOptions.Wire) -> BreakEven {
        func gain(_ speed: Double) -> Double {
            var plan = plan
            plan.linkBytesPerSecond = speed
            let (raw, coded) = (exchange(plan, wire: .raw), exchange(plan, wire: wire))
            return raw.reduce + raw.share - coded.reduce - coded.share
        }
        var (slow, fast) = (1e5, 1e12)
        guard gain(slow) > 0 else { return .never }
        guard gain(fast) <= 0 else { return .always }
        for _ in 0..<60 {
            let middle = (slow * fast).squareRoot()
            if gain(middle) > 0 { slow = middle } else { fast = middle }
        }
        return .below(slow)
    }
}

extension CostModel {
    /// What `neft bench exchange` found for translations on SmolLM2-135M, on one core (docs/communication.md).
    public static let measuredCodecs: [ExchangeOptions.Wire: Codec] = [
        .raw: Codec(gradientBits: 32, weightBits: 32, encodeSeconds: 0, decodeSeconds: 0),
        .exact: Codec(gradientBits: 26.8, weightBits: 18.7, encodeSeconds: 1.7e-9, decodeSeconds: 0.5e-9),
        .bf16: Codec(gradientBits: 10.8, weightBits: 2.9, encodeSeconds: 1.6e-9, decodeSeconds: 0.45e-9),
    ]
}
