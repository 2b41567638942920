import Collectives
import Models
import Testing
import Training

struct CostModelTests {
    private let model = CostModel(constants: .init(gigaflops: 100, codecs: CostModel.measuredCodecs))

    private func plan(ranks: Int, link: Double = 1.25e8, ranksPerHost: Int = 1) -> CostModel.Plan {
        let configuration = DecoderConfiguration(
            hiddenSize: 576, intermediateSize: 1536, layerCount: 30, headCount: 9, kvHeadCount: 3, headDim: 64,
            vocabularySize: 49_152, contextLength: 8192, ropeTheta: 1e5, rmsNormEps: 1e-5, tiedHead: true)
        return CostModel.Plan(
            configuration: configuration, selectedCount: 6_370_000, globalBatch: 16, microBatch: 4, rowTokens: 256,
            rowTargets: 255, ranks: ranks, ranksPerHost: ranksPerHost, linkBytesPerSecond: link,
            latencySeconds: 50e-6, threads: 2)
    }

    /// `bench step` counts 598 Gflop in the products of such a step (docs/performance.md).
    @Test func operationsAreThoseOfAStep() {
        #expect(abs(model.operations(plan(ranks: 1)) / 598e9 - 1) < 0.03)
    }

    @Test func rawSendsWhatACollectiveMust() {
        for ranks in [2, 4, 64] {
            let expected = 2 * Double(ranks - 1) / Double(ranks) * 6_370_000 * 4
            #expect(abs(model.predict(plan(ranks: ranks), wire: .raw).wireBytes / expected - 1) < 1e-9)
        }
    }

    @Test func oneRankWaitsForNobody() {
        let one = model.predict(plan(ranks: 1), wire: .exact)
        #expect(one.exposedSeconds == 0 && one.wireBytes == 0 && abs(one.efficiency - 1) < 1e-12)
        #expect(abs(one.computeSeconds - 4 * model.operations(plan(ranks: 1)) / 1e11) < 1e-9)
    }

    /// Both halves hide behind a computation that is long enough, but for a bucket each; behind none, nothing does.
    @Test func exchangesHideBehindTheComputation() {
        func share(_ gigaflops: Double) -> Double {
            let model = CostModel(constants: .init(gigaflops: gigaflops, codecs: CostModel.measuredCodecs))
            let one = model.predict(plan(ranks: 4), wire: .raw)
            #expect(one.exposedSeconds > 0 && one.exposedSeconds <= one.reduceSeconds + one.shareSeconds)
            return one.exposedSeconds / (one.reduceSeconds + one.shareSeconds)
        }
        let buckets = Double(SliceLayout(count: 6_370_000, size: 4).bucketCount)
        #expect(abs(share(1) - 1 / buckets) < 1e-9)
        #expect(share(1e9) > 0.999)
        // A forward pass is half a backward pass: weights come out of it later than gradients out of the other.
        let one = model.predict(plan(ranks: 4, link: 6.25e6), wire: .raw)
        let leaf = model.operations(plan(ranks: 4)) / 1e11
        #expect(one.shareSeconds > leaf / 3)
        let hidden = min(one.reduceSeconds * (1 - 1 / buckets), leaf * 2 / 3) + leaf / 3
        #expect(abs(one.exposedSeconds - (one.reduceSeconds + one.shareSeconds - hidden)) < 1e-9)
    }

    @Test func aSlowerLinkTakesLonger() {
        let speeds = [1.25e9, 1.25e8, 1.25e7].map { model.predict(plan(ranks: 4, link: $0), wire: .exact) }
        #expect(speeds[0].stepSeconds < speeds[1].stepSeconds && speeds[1].stepSeconds < speeds[2].stepSeconds)
        let shared = model.predict(plan(ranks: 4, ranksPerHost: 2), wire: .exact)
        #expect(shared.reduceSeconds > speeds[1].reduceSeconds)
    }

    @Test func breakEvenSeparatesTheWires() {
        func seconds(_ wire: ExchangeOptions.Wire, _ link: Double) -> Double {
            let exchange = model.exchange(plan(ranks: 4, link: link), wire: wire)
            return exchange.reduce + exchange.share
        }
        for wire in [ExchangeOptions.Wire.exact, .bf16] {
            switch model.breakEven(plan(ranks: 4), wire: wire) {
            case .below(let speed):
                #expect(seconds(wire, speed * 0.9) < seconds(.raw, speed * 0.9))
                #expect(seconds(wire, speed * 1.1) > seconds(.raw, speed * 1.1))
            case .always:
                #expect([1e6, 1e8, 1e11].allSatisfy { seconds(wire, $0) < seconds(.raw, $0) })
            case .never:
                Issue.record("\(wire) is smaller, so on a slow link it is faster")
            }
        }
    }

    @Test func aWireThatCostsTooMuchNeverPays() {
        var slow = model
        slow.constants.codecs[.exact] = .init(
            gradientBits: 32, weightBits: 32, encodeSeconds: 1e-8, decodeSeconds: 1e-8)
        #expect(slow.breakEven(plan(ranks: 4), wire: .exact) == .never)
        slow.constants.codecs[.exact] = .init(
            gradientBits: 8, weightBits: 8, encodeSeconds: 1e-12, decodeSeconds: 1e-12)
        #expect(slow.breakEven(plan(ranks: 4), wire: .exact) == .always)
    }

    /// Moments are spread over the ranks; everything else each has.
    @Test func memory() {
        let difference = CostModel.memoryMiB(plan(ranks: 1)) - CostModel.memoryMiB(plan(ranks: 2))
        let levels = 6_370_000.0 * (1 + 1) * 4 / 1_048_576  // half of the moments, one level of the tree
        let messages = 32.0  // four buckets of 8 MiB
        #expect(abs(difference - (levels - messages)) < 1)
    }

    /// The ranks of a host hold frozen weights once; a rank that changes all of them holds its own.
    @Test func memoryOfAHost() {
        for compute in [ComputeType.float32, .bfloat16] {
            var one = plan(ranks: 4)
            (one.compute, one.ranksPerHost) = (compute, 1)
            var four = one
            four.ranksPerHost = 4
            func host(_ plan: CostModel.Plan, _ updates: Bool) -> Double {
                CostModel.hostMemoryMiB(plan, updates: updates)
            }
            let rank = CostModel.memoryMiB(one, updates: false)
            let size = compute == .bfloat16 ? 2.0 : 4.0
            let weights = (106_168_320.0 + 49152 * 576) * size / 1_048_576
            #expect(host(one, false) == rank)
            #expect(abs(host(four, false) - (4 * (rank - weights) + weights)) < 1)
            #expect(host(four, true) > host(four, false))
            // Each trained row makes a page or two private.
            let trained = CostModel.memoryMiB(one)
            #expect(host(four, true) < 4 * trained - 2 * weights && host(four, true) > 4 * trained - 3 * weights)
            #expect(
                abs(
                    CostModel.hostMemoryMiB(four, holdsWeights: true) - 4
                        * (trained - (4 * trained - host(four, true)) / 3))
                    < 1)
            four.selectedCount = 134_515_008
            #expect(host(four, true) == 4 * CostModel.memoryMiB(four))
        }
    }
}
