import Datasets
import Foundation
import Kernels
import Models
import TestSupport
import Testing

@testable import Evaluation

struct SparsityTests {
    /// Rows of several lengths; the second half begin alike.
    private static func makeRows(_ count: Int) -> [EvaluationRow] {
        (0..<count).map { i in
            let start = i < count / 2 ? [Int32(3 + i)] : [4, 8, 15, 16, 23]
            let tokens = start + (0..<4 + i * 5 % 13).map { Int32(3 + (i * 17 + $0 * $0 * 5) % 60) }
            return EvaluationRow(
                origin: "", prompt: "", promptTokens: Array(tokens.prefix(3)), reference: "", tokens: tokens,
                isTarget: tokens.indices.map { $0 >= 3 })
        }
    }

    private static func sparsity(
        _ rows: [EvaluationRow], ranks: Int, threshold: Float = 0.1, threads: Int = 1
    ) throws -> [ActivationSparsity] {
        let results = ThreadCommunicator.run(size: ranks) { communicator in
            let model = makeTinyDecoder(threads: threads)
            return Result {
                try Evaluator(model: model, communicator: communicator, options: .init(batchTokens: 70))
                    .sparsity(rows, threshold: threshold, team: model.team)
            }
        }
        return try results.map { try $0.get() }
    }

    /// Every row by itself, every activation in Double.
    @Test func agreesWithANaiveTwinOnAnyNumberOfRanks() throws {
        let rows = Self.makeRows(26)
        let model = makeTinyDecoder()
        let (layers, width) = (model.layerCount, 80)
        var magnitudes: [(layer: Int, neuron: Int, value: Double)] = []
        for row in rows {
            model.observe(PackedBatch(rows: [(row.tokens, row.isTarget)])) { layer, projection, outputs in
                guard projection == .gate else { return }
                for index in 0..<row.tokens.count * width {
                    magnitudes.append((layer, index % width, activationMagnitudeReference(gate: outputs[index])))
                }
            }
        }
        // Batches round otherwise than rows by themselves do: the threshold is where that cannot decide, in the widest
        // gap about 0.1.
        let near = magnitudes.map(\.value).filter { $0 > 0.09 && $0 < 0.11 }.sorted()
        let gap = zip(near, near.dropFirst()).max { $0.1 - $0.0 < $1.1 - $1.0 }!
        #expect(gap.1 - gap.0 > 2e-5)
        let threshold = (gap.0 + gap.1) / 2
        var inactive = [[Int]](repeating: .init(repeating: 0, count: width), count: layers)
        for entry in magnitudes where entry.value < threshold { inactive[entry.layer][entry.neuron] += 1 }
        let tokens = rows.reduce(0) { $0 + $1.tokens.count }
        #expect(magnitudes.count == tokens * layers * width)
        for ranks in [1, 2, 4] {
            for found in try Self.sparsity(rows, ranks: ranks, threshold: Float(threshold), threads: ranks == 1 ? 3 : 1)
            {
                #expect(found.tokens == tokens && found.layers.map(\.neurons) == [80, 80, 80])
                #expect(found.layers.map(\.inactive) == inactive.map { $0.reduce(0, +) }, "\(ranks) ranks")
                #expect(found.layers.map(\.silentNeurons) == inactive.map { $0.count { $0 == tokens } })
                for layer in 0..<layers {
                    let share = Double(inactive[layer].reduce(0, +)) / Double(width * tokens)
                    #expect(abs(found.share(ofLayer: layer) - share) < 1e-15 && share > 0.05 && share < 0.95)
                }
                let mean = (0..<layers).reduce(0) { $0 + found.share(ofLayer: $1) } / Double(layers)
                #expect(abs(found.share - mean) < 1e-14)
            }
        }
    }

    @Test func aHighThresholdSilencesAll() throws {
        let all = try Self.sparsity(Self.makeRows(4), ranks: 1, threshold: 1e9)[0]
        #expect(all.share == 1 && all.silentNeurons == 240 && all.neurons == 240)
        #expect(try Self.sparsity(Self.makeRows(4), ranks: 1, threshold: 1e-30)[0].silentNeurons == 0)
    }

    @Test func refusesNoRows() {
        #expect(throws: EvaluationError.self) { try Self.sparsity([], ranks: 1) }
    }
}

struct CorrelationTests {
    @Test func followsItsDefinition() throws {
        // pearsonr and spearmanr of SciPy, for these values.
        let (x, y) = ([0.1, 0.4, 0.2, 0.9, 0.7, 0.4], [3.0, 5, 2, 11, 5, 4])
        let found = try #require(Correlation(x, y))
        #expect(abs(found.pearson - 0.8805592628464113) < 1e-12)
        #expect(abs(found.spearman - 0.8970588235294118) < 1e-12)
    }

    @Test func extremes() throws {
        let rising = try #require(Correlation([1, 2, 3], [10, 20, 35]))
        #expect(rising.spearman == 1 && rising.pearson < 1 && rising.pearson > 0.99)
        let falling = try #require(Correlation([1, 2, 3, 4], [8, 6, 4, 2]))
        #expect(abs(falling.pearson + 1) < 1e-12 && falling.spearman == -1)
    }

    @Test func nothingWhereThereIsNone() {
        #expect(Correlation([1, 2], [1, 2]) == nil)
        #expect(Correlation([1, 1, 1], [1, 2, 3]) == nil)
        #expect(Correlation([1, 2, 3], [5, 5, 5]) == nil)
        #expect(Correlation([1, 2, .nan], [1, 2, 3]) == nil)
    }
}
