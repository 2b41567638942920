import TestSupport
import Testing

@testable import Collectives

/// `Wire.bf16` and `Codec.auto`, on ranks that are threads.
@Suite struct RoundedWireTests {
    static let count = 70_001

    struct Outcome: Sendable, Equatable {
        var weights: [UInt32] = []
        var residual: [UInt32] = []
        var bytes = ExchangeStatistics()
        var codecs: [CodecChoice] = []
    }

    /// Leaf `leaf`'s gradient of a step; the same for all steps but for a step that is spoilt.
    static func gradient(_ leaf: Int) -> [Float] {
        var stream = Stream(seed: leaf + 1)
        return (0..<count).map { _ in Float(stream.normal() * 1e-3) }
    }

    static func start() -> [Float] {
        var stream = Stream(seed: 99)
        return (0..<count).map { _ in Float(stream.normal() * 0.1) }
    }

    /// Steps of gradient descent, `weights -= rate · gradient`.
    static func run(
        _ communicator: any Communicator, _ options: ExchangeOptions, steps: Int, rate: Float, spoilt: Int? = nil
    ) -> Outcome? {
        let exchange = RowExchange(communicator: communicator, count: count, options: options, bucketValues: 20_000)
        let leaves = 4
        let own = LeafTree(count: leaves, size: communicator.size).leaves(of: communicator.rank)
        let gradients = own.map(gradient)
        let accumulator = LeafAccumulator(count: count, maxLeaves: leaves)
        var weights = start()
        var outcome = Outcome()
        for step in 0..<steps {
            var values = [Float](repeating: .nan, count: count)
            let isDone = values.withUnsafeMutableBufferPointer { values in
                accumulator.sum(leaves: own, into: values) { leaf, into in
                    _ = into.update(from: gradients[leaf - own.lowerBound])
                    if step == spoilt { into[leaf] = .nan }
                }
                guard (try? exchange.reduce(values, leafCount: leaves)) != nil else { return false }
                if step == spoilt { return true }
                for index in exchange.owned.joined() { values[index] = weights[index] - rate * values[index] }
                return weights.withUnsafeMutableBufferPointer { weights in
                    (try? exchange.share(
                        values,
                        read: { range, into in
                            into.update(from: weights.baseAddress! + range.lowerBound, count: range.count)
                        },
                        write: { range, new in
                            (weights.baseAddress! + range.lowerBound).update(from: new, count: range.count)
                        }))
                        != nil
                }
            }
            guard isDone else { return nil }
        }
        outcome.weights = weights.map(\.bitPattern)
        outcome.residual = exchange.residual.map(\.bitPattern)
        outcome.bytes = exchange.takeStatistics()
        outcome.codecs = [exchange.gradientCodec, exchange.weightCodec]
        return outcome
    }

    /// By rank.
    static func outcomes(
        _ size: Int, ranksPerNode: Int = 1, _ options: ExchangeOptions, steps: Int, spoilt: Int? = nil
    ) throws -> [Outcome] {
        let all = ThreadCommunicator.run(size: size, ranksPerNode: ranksPerNode) {
            run($0, options, steps: steps, rate: 0.01, spoilt: spoilt)
        }
        let whole = all.compactMap { $0 }
        try #require(whole.count == size, "a message was refused")
        return whole
    }

    /// All ranks have the same weights, every run gives the same, and with steps far below what bf16 can show the
    /// weights still go where they go without rounding.
    @Test(arguments: [(2, 1), (3, 1), (4, 1), (4, 2)], ExchangeOptions.Mode.allCases)
    func whatRoundingTakesComesLater(ranks: (all: Int, perNode: Int), mode: ExchangeOptions.Mode) throws {
        let (steps, rate) = (60, Float(0.01))
        let options = ExchangeOptions(mode: mode, wire: .bf16, codec: .zstd)
        let first = try Self.outcomes(ranks.all, ranksPerNode: ranks.perNode, options, steps: steps)
        let second = try Self.outcomes(ranks.all, ranksPerNode: ranks.perNode, options, steps: steps)
        let weights = first[0].weights
        for rank in 0..<ranks.all {
            #expect(first[rank].weights == weights, "rank \(rank)")
            #expect(first[rank].weights == second[rank].weights && first[rank].residual == second[rank].residual)
        }
        var worst: Float = 0
        var unmoved = 0
        let total = (0..<4).map(Self.gradient)
        for (index, start) in Self.start().enumerated() {
            let exact = start - Float(steps) * rate * (0..<4).reduce(0) { $0 + total[$1][index] }
            let weight = Float(bitPattern: weights[index])
            // Half a bf16 step of the weight and of a gradient on each rank.
            let allowed = abs(exact) / 256 + rate * 8 * 2e-5 + 1e-6
            worst = max(worst, abs(weight - exact) / allowed)
            if weight == start { unmoved += 1 }
        }
        #expect(worst < 1.5, "\(worst)")
        #expect(mode == .allreduce || unmoved < Self.count / 100)
    }

    /// Gradients and weights of 16 bits, the former coded to about 10.6.
    @Test func aThirdOfTheBytes() throws {
        let outcome = try Self.outcomes(2, ExchangeOptions(wire: .bf16, codec: .zstd), steps: 4)[0]
        #expect(outcome.bytes.reduceWireBytes < outcome.bytes.rawBytes / 2 * 11 / 32)
        #expect(outcome.bytes.wireBytes < outcome.bytes.rawBytes / 3)
        let plain = try Self.outcomes(2, ExchangeOptions(wire: .bf16, codec: .none), steps: 4)[0]
        #expect(plain.weights == outcome.weights && plain.residual == outcome.residual)
        #expect(plain.bytes.wireBytes > outcome.bytes.rawBytes * 49 / 100)
    }

    /// A step with a NaN is left out; nothing of it stays behind.
    @Test func aSpoiltStepLeavesNoTrace() throws {
        let options = ExchangeOptions(wire: .bf16, codec: .zstd)
        for outcome in try Self.outcomes(4, options, steps: 6, spoilt: 2) {
            #expect((outcome.weights + outcome.residual).allSatisfy { Float(bitPattern: $0).isFinite })
        }
    }

    /// The choice is made once, the same on all ranks, and changes no bits.
    @Test(arguments: [ExchangeOptions.Wire.exact, .bf16])
    func theCodecIsChosenByMeasurement(wire: ExchangeOptions.Wire) throws {
        for steps in [CodecChoice.trials, CodecChoice.trials + 2] {
            let outcomes = try Self.outcomes(3, ExchangeOptions(wire: wire), steps: steps)
            let plain = try Self.outcomes(3, ExchangeOptions(wire: wire, codec: .none), steps: steps)
            for outcome in outcomes {
                #expect(outcome.weights == plain[0].weights)
                guard steps > CodecChoice.trials else {
                    #expect(outcome.codecs.allSatisfy { $0.isCoded == nil })
                    continue
                }
                #expect(outcome.codecs.map(\.measured) == outcomes[0].codecs.map(\.measured))
                for choice in outcome.codecs {
                    let measured = try #require(choice.measured)
                    #expect(measured.coded > 0 && measured.plain > 0)
                    #expect(choice.isCoded == (measured.coded < measured.plain))
                }
            }
        }
        let one = RowExchange(communicator: LocalCommunicator(), count: 10, options: ExchangeOptions(wire: wire))
        #expect(one.gradientCodec.isCoded == false && one.residual.isEmpty)
    }
}
