import Foundation
import Datasets
import Kernels
import Models
import TestSupport
import Testing

@Suite struct DecoderTests {
    let lengths = [12, 3, 40, 2]

    @Test(arguments: TinyForm.allCases, [true, false])
    func everyGradientMatchesFiniteDifferences(form: TinyForm, tied: Bool) {
        let model = makeTinyDecoder(form, tied: tied)
        let batch = makeBatch(lengths: lengths)
        let trainable = model.allTrainable
        let scale = 1 / Float(batch.targetCount)
        let gradient = model.gradients(batch, trainable: trainable, lossScale: scale).gradient
        #expect(gradient.allSatisfy { $0.isFinite })
        var random = TestRandom(5)
        for entry in trainable.entries {
            let parameter = model.parameters[entry.parameter]
            let size = max(1e-6, (gradient[entry.offset..<entry.offset + entry.count].map { abs($0) }.max() ?? 0))
            // Along a random direction, central differences of a float32 forward pass are good to about 1e-3.
            let direction = (0..<entry.count).map { _ in Float.random(in: -1..<1, using: &random) }
            let original = Array(parameter.tensor.buffer)
            func loss(_ step: Float) -> Double {
                for i in 0..<entry.count { parameter.tensor.pointer[i] = original[i] + step * direction[i] }
                return model.losses(batch).reduce(0.0) { $0 + Double($1) } * Double(scale)
            }
            let step: Float = 2e-3
            let difference = (loss(step) - loss(-step)) / Double(2 * step)
            _ = loss(0)
            let expected = dot(Array(gradient[entry.offset..<entry.offset + entry.count]), direction)
            let tolerance = 1e-2 * max(abs(expected), Double(size) * Double(entry.count).squareRoot() * 0.2)
            #expect(abs(difference - expected) < tolerance, "\(parameter.tensor.name): \(difference), \(expected)")
        }
    }

    /// Gradients that are said to be complete do not change any more.
    @Test(arguments: TinyForm.allCases, [true, false])
    func layersAreCompleteWhenTheySaySo(form: TinyForm, tied: Bool) {
        let model = makeTinyDecoder(form, tied: tied)
        let trainable = model.allTrainable
        var gradient = [Float](repeating: .nan, count: trainable.count)
        var calls: [Int] = []
        var complete: [(offset: Int, values: [UInt32])] = []
        gradient.withUnsafeMutableBufferPointer { gradient in
            _ = model.forwardBackward(
                makeBatch(lengths: lengths), trainable: trainable, lossScale: 1, gradient: gradient,
                beforeLayer: { _ in }
            ) { layer in
                calls.append(layer)
                for entry in trainable.entries {
                    switch model.parameters[entry.parameter].role {
                    case .projection(layer, _), .bias(layer, _), .norm(layer), .headNorm(layer, _): break
                    case .norm(nil) where layer == model.layerCount, .head where layer == model.layerCount: break
                    default: continue
                    }
                    let values = gradient[entry.offset..<entry.offset + entry.count].map(\.bitPattern)
                    complete.append((entry.offset, values))
                }
            }
        }
        #expect(calls == [3, 2, 1, 0])
        #expect(complete.count == trainable.entries.count - 1, "all but the embedding")
        for (offset, values) in complete {
            #expect(gradient[offset..<offset + values.count].map(\.bitPattern) == values)
        }
    }

    /// Weights that come just before they are asked for are in time, and no gradient is written before all are there.
    @Test(arguments: TinyForm.allCases, [true, false])
    func weightsAreAskedForInTime(form: TinyForm, tied: Bool) {
        let batch = makeBatch(lengths: lengths)
        let model = makeTinyDecoder(form, tied: tied)
        let trainable = model.allTrainable
        let expected = model.gradients(batch, trainable: trainable, lossScale: 1)
        let weights = model.parameters.map { Array($0.tensor.buffer) }
        for parameter in model.parameters { parameter.tensor.buffer.update(repeating: .nan) }
        var calls: [Int] = []
        var gradient = [Float](repeating: .nan, count: trainable.count)
        let loss = gradient.withUnsafeMutableBufferPointer { gradient in
            model.forwardBackward(
                batch, trainable: trainable, lossScale: 1, gradient: gradient,
                beforeLayer: { layer in
                    calls.append(layer)
                    if layer == model.layerCount {
                        #expect(gradient.allSatisfy { $0.isNaN }, "a gradient before the last weights are there")
                    }
                    for (index, parameter) in model.parameters.enumerated() {
                        let needed =
                            switch parameter.role {
                            case .embedding: -1
                            case .projection(let layer, _), .bias(let layer, _), .norm(let layer?),
                                .headNorm(let layer, _), .lowRankA(let layer, _), .lowRankB(let layer, _):
                                layer
                            case .norm(nil), .head: model.layerCount
                            }
                        if needed == layer { _ = parameter.tensor.buffer.update(from: weights[index]) }
                    }
                }, onLayerGradient: { _ in })
        }
        #expect(calls == [-1, 0, 1, 2, 3])
        #expect(loss == expected.loss && gradient == expected.gradient)
    }

    @Test(arguments: TinyForm.allCases) func selectedRowsAreRowsOfTheFullGradient(form: TinyForm) {
        let model = makeTinyDecoder(form)
        let batch = makeBatch(lengths: lengths)
        let full = model.gradients(batch, trainable: model.allTrainable, lossScale: 1).gradient
        for lowest in 0..<3 {
            // A few rows of some projections of the layers from `lowest` on.
            let selection: [(parameter: Int, rows: [Int32]?)] = model.parameters.indices.compactMap { index in
                switch model.parameters[index].role {
                case .projection(let layer, let projection)
                where layer >= lowest && (layer + projection.rawValue) % 3 != 1:
                    return (index, [0, 5, Int32(model.parameters[index].rows - 1)])
                case .bias(let layer, let projection) where layer >= lowest && (layer + projection.rawValue) % 2 == 0:
                    return (index, [1, 2, 7])
                case .headNorm(let layer, .key) where layer >= lowest: return (index, [0])
                default: return nil
                }
            }
            let trainable = TrainableRows(selection: selection, parameters: model.parameters)
            let packed = model.gradients(batch, trainable: trainable, lossScale: 1).gradient
            let expected = trainable.entries.flatMap { entry in
                let offset = model.allTrainable.entries[entry.parameter].offset
                return entry.rows!.flatMap { row in
                    Array(full[offset + Int(row) * entry.columns..<offset + (Int(row) + 1) * entry.columns])
                }
            }
            #expect(packed.count == expected.count)
            #expect(relativeError(packed, expected) < 1e-5)
        }
    }

    /// Each tensor alone: the early exits of the backward pass cut nothing that is needed.
    @Test(arguments: TinyForm.allCases) func oneTensorAlone(form: TinyForm) {
        let model = makeTinyDecoder(form, tied: false)
        let batch = makeBatch(lengths: lengths)
        let full = model.gradients(batch, trainable: model.allTrainable, lossScale: 1).gradient
        for (index, entry) in model.allTrainable.entries.enumerated() {
            let trainable = TrainableRows(selection: [(index, nil)], parameters: model.parameters)
            let alone = model.gradients(batch, trainable: trainable, lossScale: 1).gradient
            let error = relativeError(alone, Array(full[entry.offset..<entry.offset + entry.count]))
            #expect(error < 1e-5, "\(model.parameters[index].tensor.name)")
        }
    }

    @Test func lossAndLogitsAgree() {
        let model = makeTinyDecoder()
        let batch = makeBatch(lengths: lengths)
        let losses = model.losses(batch)
        let sum = losses.reduce(0.0) { $0 + Double($1) }
        #expect(abs(model.gradients(batch, trainable: model.allTrainable, lossScale: 1).loss - sum) < 1e-4 * sum)
        let logits = model.logits(batch, positions: batch.targetPositions)
        for i in 0..<batch.targetCount {
            let row = logits[i * 67..<(i + 1) * 67].map { Double($0) }
            let highest = row.max()!
            let total = row.reduce(0) { $0 + exp($1 - highest) }
            let expected = log(total) + highest - row[Int(batch.targetTokens[i])]
            #expect(abs(Double(losses[i]) - expected) < 1e-4)
        }
    }

    /// Activations that are computed again have the bits of those that are kept, whichever layers are trained.
    @Test(arguments: TinyForm.allCases, [ComputeType.float32, .bfloat16])
    func recomputedActivationsAreTheSame(form: TinyForm, compute: ComputeType) {
        guard compute == .float32 || CPU.hasBFloat16 else { return }
        let model = makeTinyDecoder(form, threads: 2, compute: compute)
        let batch = makeBatch(lengths: lengths)
        let upper = model.parameters.indices.filter { model.parameters[$0].role == .projection(layer: 1, .down) }
        for trainable in [
            model.allTrainable, TrainableRows(selection: upper.map { ($0, [1, 5]) }, parameters: model.parameters),
        ] {
            model.recomputes = false
            let kept = model.gradients(batch, trainable: trainable, lossScale: 1)
            model.recomputes = true
            let again = model.gradients(batch, trainable: trainable, lossScale: 1)
            #expect(bits(kept.gradient) == bits(again.gradient))
            #expect(kept.loss == again.loss)
        }
        func floats(_ recomputes: Bool) -> Int {
            Decoder.workspaceFloats(
                model.configuration, compute: compute, recomputes: recomputes, threads: 2, tokens: 512, targets: 32,
                longestRow: 512, selectedRows: 4)
        }
        #expect(floats(true) < floats(false) * 2 / 3)
    }

    @Test(arguments: TinyForm.allCases) func bitsDoNotDependOnThreads(form: TinyForm) {
        let batch = makeBatch(lengths: [60, 100, 31, 90])
        let results = [1, 2, 3].map { threads in
            let model = makeTinyDecoder(form, threads: threads)
            return bits(model.gradients(batch, trainable: model.allTrainable, lossScale: 1).gradient)
        }
        #expect(results[0] == results[1])
        #expect(results[0] == results[2])
    }

    @Test func bitsDoNotDependOnWhatRanBefore() {
        let model = makeTinyDecoder()
        let batch = makeBatch(lengths: lengths)
        let first = model.gradients(batch, trainable: model.allTrainable, lossScale: 1).gradient
        _ = model.losses(makeBatch(lengths: [200, 150, 7], seed: 3))
        _ = model.generateGreedy(prompts: [[1, 2, 3], [4]], maxNewTokens: 9, endTokens: [])
        let second = model.gradients(batch, trainable: model.allTrainable, lossScale: 1).gradient
        #expect(bits(first) == bits(second))
    }

    @Test func rowsDoNotSeeEachOther() {
        let model = makeTinyDecoder()
        let rows = makeRows(lengths: lengths)
        let together = PackedBatch(rows: rows)
        let alone = rows.flatMap { model.losses(PackedBatch(rows: [$0])) }
        #expect(relativeError(model.losses(together), alone) < 1e-5)
    }

    /// Sharing a common beginning changes neither losses nor gradients, and every bit repeats on any thread count.
    @Test(arguments: TinyForm.allCases) func aSharedBeginningCountsAsIfEachRowHadItsOwn(form: TinyForm) {
        let beginning: [Int32] = (0..<37).map { $0 * 5 % 67 }
        let rows = makeRows(lengths: [12, 3, 40, 1]).map { row in
            (tokens: beginning + row.tokens, isTarget: beginning.map { _ in false } + row.isTarget)
        }
        let apart = PackedBatch(rows: rows, sharingPrefix: false)
        let shared = PackedBatch(rows: rows)
        #expect(apart.prefixCount == 0 && shared.prefixCount == 37)
        #expect(shared.tokenCount == apart.tokenCount - 3 * 37 && shared.rowTokenCount == apart.tokenCount)
        let model = makeTinyDecoder(form)
        #expect(relativeError(model.losses(shared), model.losses(apart)) < 1e-5)
        let all = model.allTrainable
        let expected = model.gradients(apart, trainable: all, lossScale: 1)
        let result = model.gradients(shared, trainable: all, lossScale: 1)
        #expect(abs(result.loss - expected.loss) < 1e-5 * expected.loss)
        for entry in all.entries {
            let range = entry.offset..<entry.offset + entry.count
            #expect(relativeError(Array(result.gradient[range]), Array(expected.gradient[range])) < 2e-5)
        }
        let other = makeTinyDecoder(form, threads: 2)
        #expect(
            bits(other.gradients(shared, trainable: other.allTrainable, lossScale: 1).gradient) == bits(result.gradient)
        )
    }

    @Test func promptsWithASharedBeginningGenerateAsAlone() {
        let model = makeTinyDecoder()
        let beginning: [Int32] = (0..<20).map { $0 * 7 % 67 }
        let prompts = [[3, 9, 1], [5], [60, 2, 2, 8]].map { beginning + $0 }
        let together = model.generateGreedy(prompts: prompts, maxNewTokens: 10, endTokens: [66])
        let alone = prompts.map { model.generateGreedy(prompts: [$0], maxNewTokens: 10, endTokens: [66])[0] }
        #expect(together == alone)
    }

    @Test(arguments: TinyForm.allCases)
    func greedyGenerationTakesTheMostLikelyTokenOfTheWholeForwardPass(form: TinyForm) {
        let model = makeTinyDecoder(form)
        let prompts: [[Int32]] = [[3, 9, 1], [5], Array(0..<40).map { Int32($0) }]
        let outputs = model.generateGreedy(prompts: prompts, maxNewTokens: 12, endTokens: [66])
        for (prompt, output) in zip(prompts, outputs) {
            var tokens = prompt
            for _ in 0..<12 {
                let batch = PackedBatch(rows: [(tokens, tokens.map { _ in false })])
                let logits = model.logits(batch, positions: [Int32(tokens.count - 1)])
                let best = Int32(logits.firstIndex(of: logits.max()!)!)
                if best == 66 { break }
                tokens.append(best)
            }
            #expect(Array(tokens.dropFirst(prompt.count)) == output)
        }
    }

    @Test func generationStopsAtEndTokensAndLimits() {
        let model = makeTinyDecoder()
        let free = model.generateGreedy(prompts: [[3, 9, 1], [5]], maxNewTokens: 20, endTokens: [])
        #expect(free.map(\.count) == [20, 20])
        let stop = free[0][4]
        let expected = free.map { Array($0.prefix { $0 != stop }) }
        #expect(model.generateGreedy(prompts: [[3, 9, 1], [5]], maxNewTokens: 20, endTokens: [stop]) == expected)
        #expect(model.generateGreedy(prompts: [[3]], maxNewTokens: 0, endTokens: []) == [[]])
    }
}
