import Checkpoints
import Datasets
import Kernels
import Models
import TestSupport
import Testing

/// A model whose products are computed in bfloat16, beside the same one in fp32.
@Suite(.enabled(if: CPU.hasBFloat16)) struct BFloat16DecoderTests {
    let batch = makeBatch(lengths: [12, 3, 40, 2])

    /// Weights that bfloat16 can hold, so that only activations are rounded.
    func pair(_ form: TinyForm, tied: Bool) -> (single: Decoder, half: Decoder) {
        let half = makeTinyDecoder(form, tied: tied, threads: 2, compute: .bfloat16, isHalfOnly: true)
        let values = Dictionary(uniqueKeysWithValues: half.parameters.map { ($0.tensor.name, $0.tensor.values) })
        let single = makeTinyDecoder(form, tied: tied, threads: 2) { name, weights in
            for (i, value) in (values[name] ?? []).enumerated() { weights[i] = value }
        }
        return (single, half)
    }

    @Test(arguments: TinyForm.allCases, [true, false])
    func forwardAndBackwardAreCloseToFloats(form: TinyForm, tied: Bool) {
        let (single, half) = pair(form, tied: tied)
        #expect(half.compute == .bfloat16 && single.compute == .float32)
        let positions: [Int32] = [0, 11, 20, 56]
        let difference = relativeError(
            half.logits(batch, positions: positions), single.logits(batch, positions: positions))
        // Rounding to 8 bits: 2^-9 per product at most, and it must show.
        #expect(difference < 0.01 && difference > 1e-5)
        let expected = single.gradients(batch, trainable: single.allTrainable, lossScale: 1)
        let found = half.gradients(batch, trainable: half.allTrainable, lossScale: 1)
        #expect(abs(found.loss / expected.loss - 1) < 1e-3)
        for entry in single.allTrainable.entries {
            let range = entry.offset..<entry.offset + entry.count
            let error = relativeError(Array(found.gradient[range]), Array(expected.gradient[range]))
            #expect(error < 0.03, "\(single.parameters[entry.parameter].tensor.name): \(error)")
        }
    }

    @Test func bitsDoNotDependOnThreads() {
        let results = [1, 2, 3].map { threads in
            let model = makeTinyDecoder(threads: threads, compute: .bfloat16)
            return bits(model.gradients(batch, trainable: model.allTrainable, lossScale: 1).gradient)
        }
        #expect(results[0] == results[1])
        #expect(results[0] == results[2])
    }

    /// Whether fp32 weights lie beside the rounded ones or not, the model computes the same.
    @Test func floatsBesideTheCopyChangeNothing() {
        let (with, without) = (
            makeTinyDecoder(compute: .bfloat16), makeTinyDecoder(compute: .bfloat16, isHalfOnly: true)
        )
        #expect(bits(with.losses(batch)) == bits(without.losses(batch)))
    }

    @Test(arguments: TinyForm.allCases) func generationAgreesWithTheForwardPass(form: TinyForm) {
        let model = makeTinyDecoder(form, threads: 2, compute: .bfloat16)
        let prompts: [[Int32]] = [[5, 9, 30, 2], [7], [5, 9, 1]]
        let together = model.generateGreedy(prompts: prompts, maxNewTokens: 6, endTokens: [])
        for (prompt, answer) in zip(prompts, together) {
            #expect(answer.count == 6)
            #expect(model.generateGreedy(prompts: [prompt], maxNewTokens: 6, endTokens: [])[0] == answer)
        }
    }

    /// A row that has changed is rounded again, and counts from then on.
    @Test(arguments: [true, false]) func publishedRowsAreUsed(isHalfOnly: Bool) {
        let model = makeTinyDecoder(compute: .bfloat16, isHalfOnly: isHalfOnly)
        let before = model.losses(batch)
        let tensor = model.parameters[4].tensor
        let others = tensor.values
        tensor.materialise([3, 7])
        let rows = [3, 7].map { $0 * tensor.columns..<($0 + 1) * tensor.columns }
        for row in rows {
            #expect(
                relativeError(
                    Array(UnsafeBufferPointer(start: tensor.pointer, count: tensor.count)[row]), Array(others[row]))
                    < 1e-6)
            for i in row { tensor.pointer[i] += 0.5 }
        }
        #expect(bits(model.losses(batch)) == bits(before))
        for row in rows { tensor.publish(row) }
        // Once in place, a row is not read from the copy again.
        tensor.materialise([3, 7])
        let after = tensor.values
        for (i, (old, new)) in zip(others, after).enumerated() {
            let isChanged = rows.contains { $0.contains(i) }
            #expect(new == (isChanged ? old + 0.5 : old))
        }
        #expect(bits(model.losses(batch)) != bits(before))
    }
}
