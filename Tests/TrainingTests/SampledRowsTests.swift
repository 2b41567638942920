import Collectives
import Kernels
import Models
import TestSupport
import Testing

@testable import Datasets
@testable import Training

@Suite struct SampledRowsTests {
    private let rows = makeRows(lengths: (0..<21).map { 4 + $0 * 5 % 13 }).enumerated().map { index, row in
        EncodedRow(
            tokens: row.tokens, isTarget: row.isTarget, line: index + 1, promptTokenCount: 1, prompt: "",
            completion: "")
    }

    /// An epoch sees every row once; counts are those of the batches.
    @Test func stepsCoverTheRows() {
        let data = SampledRows(rows, seed: 4, globalBatch: 6, microBatch: 2)
        #expect(data.stepsPerEpoch == 4 && data.maxMicroBatches == 3)
        var seen: [[Int32]] = []
        for step in 0..<4 {
            let plan = data.step(step)
            let batches = (0..<plan.microBatchCount).map { plan.microBatch($0) }
            #expect(plan.microBatchCount == (step == 3 ? 2 : 3))
            #expect(plan.targetTokens == batches.reduce(0) { $0 + $1.targetCount })
            #expect(plan.tokens == batches.reduce(0) { $0 + $1.rowTokenCount })
            for batch in batches {
                for row in 0..<batch.rowCount {
                    seen.append(Array(batch.tokens[Int(batch.rowStarts[row])..<Int(batch.rowStarts[row + 1])]))
                }
            }
        }
        let key = { (tokens: [Int32]) in tokens.map(String.init).joined(separator: " ") }
        #expect(seen.map(key).sorted() == rows.map(\.tokens).map(key).sorted())
    }

    /// Several epochs with a short last batch: one and four ranks end with the same bits.
    @Test func shortBatchesDoNotBreakTheOrder() {
        @Sendable func weights(_ rows: [EncodedRow], _ communicator: any Communicator) -> [[UInt32]]? {
            let model = makeTinyDecoder()
            var configuration = TrainingConfiguration(method: .neft, learningRate: 1e-2)
            configuration.epochs = 2
            let trainer = try? Trainer(
                model: model, trainable: someRows(of: model),
                data: SampledRows(rows, seed: 4, globalBatch: 6, microBatch: 2), configuration: configuration,
                communicator: communicator, team: model.team)
            guard let summary = try? trainer?.run(), summary.steps == 8 else { return nil }
            return weightBits(model)
        }
        let alone = weights(rows, LocalCommunicator())
        #expect(alone != nil && alone != weightBits(makeTinyDecoder()))
        let four = ThreadCommunicator.run(size: 4) { [rows] in weights(rows, $0) }
        #expect(four.count == 4 && four.allSatisfy { $0 == alone })
    }
}
