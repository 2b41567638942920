import Collectives
import Datasets
import Kernels
import Models
import Neurons
import TestSupport
import Testing

@testable import Training

/// The tiny decoder's tensors with made-up losses and gradients, whose sums round: their order shows in the bits.
private final class RoundingModel: LanguageModel {
    private let decoder = makeTinyDecoder()
    var parameters: [Parameter] { decoder.parameters }
    var layerCount: Int { decoder.layerCount }
    var vocabularySize: Int { decoder.vocabularySize }
    var contextLength: Int { decoder.contextLength }
    let canonicalConfiguration = "rounding"

    func forwardBackward(
        _ batch: PackedBatch, trainable: TrainableRows, lossScale: Float,
        gradient: UnsafeMutableBufferPointer<Float>
    ) -> Double {
        var random = TestRandom(UInt64(batch.tokens.reduce(0) { $0 &* 67 &+ Int($1) }.magnitude))
        for i in gradient.indices { gradient[i] = Float.random(in: -1..<1, using: &random) * lossScale }
        return Double.random(in: 0..<100, using: &random)
    }

    func observe(_ batch: PackedBatch, _ visit: (Int, Projection, UnsafePointer<Float>) -> Void) {
        fatalError("not used")
    }
    func evaluate(_ batch: PackedBatch, losses: UnsafeMutableBufferPointer<Float>) { fatalError("not used") }
    func logits(_ batch: PackedBatch, positions: [Int32], into logits: UnsafeMutableBufferPointer<Float>) {
        fatalError("not used")
    }
    func generateGreedy(prompts: [[Int32]], maxNewTokens: Int, endTokens: Set<Int32>) -> [[Int32]] {
        fatalError("not used")
    }
}

@Suite struct BatchGradientTests {
    private struct Outcome: Sendable {
        var losses: [UInt64] = []
        /// By place in the packed order.
        var owned: [Int: UInt32] = [:]
    }

    private static func outcome(_ communicator: any Communicator, data: ToyData) throws -> Outcome {
        let model = RoundingModel()
        let batch = BatchGradient(
            model: model, trainable: someRows(of: model), communicator: communicator, options: ExchangeOptions(),
            maxMicroBatches: data.maxMicroBatches)
        var outcome = Outcome()
        for step in 0..<data.stepsPerEpoch {
            outcome.losses.append(try batch.compute(data.step(step)).loss.bitPattern)
            for place in batch.exchange.owned.joined() { outcome.owned[place] = batch.gradient[place].bitPattern }
        }
        return outcome
    }

    /// Losses are added in leaf order and gradients in tree order, on whichever rank the leaves are.
    @Test func sumsHaveOneOrder() throws {
        let data = ToyData(steps: 20, microBatches: 7)
        let alone = try Self.outcome(LocalCommunicator(), data: data)
        #expect(Set(alone.losses).count == 20)
        for size in [2, 4, 8] {
            let outcomes = ThreadCommunicator.run(size: size) { try? Self.outcome($0, data: data) }
            #expect(outcomes.allSatisfy { $0?.losses == alone.losses }, "\(size) ranks")
            var owned: [Int: UInt32] = [:]
            for outcome in outcomes { owned.merge(outcome?.owned ?? [:]) { one, _ in one } }
            #expect(owned == alone.owned, "\(size) ranks")
        }
    }
}

/// Gradients that are sent while the backward pass goes on.
@Suite struct OverlapTests {
    private struct Outcome: Sendable {
        var losses: [UInt64] = []
        var gradient: [Int: UInt32] = [:]
    }

    private static func outcome(
        _ communicator: any Communicator, data: ToyData, isFull: Bool, hierarchy: ExchangeOptions.Hierarchy
    ) throws -> Outcome {
        let model = makeTinyDecoder()
        let batch = BatchGradient(
            model: model, trainable: isFull ? model.everyWeight : someRows(of: model), communicator: communicator,
            options: ExchangeOptions(codec: .zstd, hierarchy: hierarchy), maxMicroBatches: data.maxMicroBatches,
            bucketValues: 4_096)
        #expect(batch.exchange.slices.bucketCount > 3, "or there is no order to test")
        var outcome = Outcome()
        for step in 0..<data.stepsPerEpoch {
            outcome.losses.append(try batch.compute(data.step(step)).loss.bitPattern)
            for place in batch.exchange.owned.joined() {
                outcome.gradient[place + step << 32] = batch.gradient[place].bitPattern
            }
        }
        return outcome
    }

    @Test(arguments: [false, true], [1, 3, 7])
    func overlapChangesNoBits(isFull: Bool, microBatches: Int) throws {
        let data = ToyData(steps: 2, microBatches: microBatches)
        let alone = try Self.outcome(LocalCommunicator(), data: data, isFull: isFull, hierarchy: .off)
        for (size, perNode) in [(2, 1), (4, 1), (4, 2), (8, 4)] {
            let outcomes = ThreadCommunicator.run(size: size, ranksPerNode: perNode) {
                try? Self.outcome($0, data: data, isFull: isFull, hierarchy: .on)
            }
            var gradient: [Int: UInt32] = [:]
            for outcome in outcomes { gradient.merge(outcome?.gradient ?? [:]) { one, _ in one } }
            #expect(outcomes.allSatisfy { $0?.losses == alone.losses }, "\(size) ranks")
            #expect(gradient == alone.gradient, "\(size) ranks")
        }
    }

    /// Every bucket once, none before all of its tensors, the last layer's first.
    @Test func bucketsBecomeReadyFromTheTop() {
        let model = makeTinyDecoder()
        for trainable in [model.everyWeight, model.everyNeuron, someRows(of: model)] {
            let slices = SliceLayout(count: trainable.count, size: 2, bucketValues: 4_096)
            let readiness = BucketReadiness(slices, trainable: trainable, model: model)
            #expect(readiness.backwardOrder.sorted() == Array(0..<slices.bucketCount))
            let stages = readiness.backwardOrder.map { readiness.layers[$0] }
            #expect(stages == stages.sorted(by: >))
            for bucket in readiness.layers.indices {
                let layers = trainable.entries.filter {
                    ($0.offset..<$0.offset + $0.count).overlaps(slices.bucket(bucket))
                }.map { entry in
                    switch model.parameters[entry.parameter].role {
                    case .projection(let layer, _), .bias(let layer, _), .norm(let layer?), .headNorm(let layer, _),
                        .lowRankA(let layer, _), .lowRankB(let layer, _):
                        layer
                    case .norm(nil), .head: model.layerCount
                    case .embedding: -1
                    }
                }
                #expect(readiness.layers[bucket] == layers.min())
            }
        }
    }
}

@Suite struct GradientScoresTests {
    /// Rows that several ranks own parts of have the score of one rank, bit for bit.
    @Test func scoresDoNotDependOnTheSlices() {
        @Sendable func scores(_ communicator: any Communicator, threads: Int) -> [UInt64] {
            let model = makeTinyDecoder()
            let trainable = model.everyNeuron
            let slices = SliceLayout(count: trainable.count, size: communicator.size, bucketValues: 10_000)
            let owned = slices.owned(by: communicator.rank)
            var scores = GradientScores(trainable, parameters: model.parameters, owned: owned)
            for batch in 0..<5 {
                // What a rank does not own is of no meaning.
                var gradient = randomFloats(trainable.count, seed: UInt64(batch))
                for i in gradient.indices {
                    // Sizes far apart, so that sums round.
                    gradient[i] *= Float(sign: .plus, exponent: i * 7 % 41 - 20, significand: 1)
                    if !owned.contains(where: { $0.contains(i) }) { gradient[i] = .nan }
                }
                gradient.withUnsafeBufferPointer { scores.add($0.baseAddress!, team: WorkerTeam(threads: threads)) }
            }
            return scores.gather(over: communicator).map(\.bitPattern)
        }
        let alone = scores(LocalCommunicator(), threads: 1)
        #expect(alone.count == makeTinyDecoder().neuronCount)
        #expect(scores(LocalCommunicator(), threads: 3) == alone)
        for size in [2, 3, 8, 13, 20] {
            let all = ThreadCommunicator.run(size: size) { scores($0, threads: 1) }
            #expect(all.count == size && all.allSatisfy { $0 == alone }, "\(size) ranks")
        }
    }
}
