import Kernels
import Models
import Neurons
import TestSupport
import Testing

@testable import Training

@Suite struct PackedRowAccessTests {
    /// The packed order by definition: entry after entry, row after row.
    private func packed(_ trainable: TrainableRows, _ model: any LanguageModel) -> [Float] {
        trainable.entries.flatMap { entry in
            let tensor = model.parameters[entry.parameter].tensor
            return (entry.rows ?? (0..<Int32(entry.rowCount)).map { $0 }).flatMap { row in
                (0..<entry.columns).map { tensor.pointer[Int(row) * entry.columns + $0] }
            }
        }
    }

    @Test func gathersAnyRange() {
        let model = makeTinyDecoder()
        let trainable = someRows(of: model)
        let access = PackedRowAccess(trainable, parameters: model.parameters)
        let expected = packed(trainable, model)
        #expect(access.count == expected.count)
        for range in [
            0..<access.count, 0..<1, 47..<49, 95..<97, 1_000..<3_000, 500..<500, access.count - 1..<access.count,
        ] {
            var values = [Float](repeating: .nan, count: range.count)
            values.withUnsafeMutableBufferPointer { buffer in
                if let base = buffer.baseAddress { access.gather(range, into: base) }
            }
            #expect(bits(values) == bits(Array(expected[range])), "\(range)")
        }
    }

    @Test func scattersIntoTheModelAndNowhereElse() {
        let model = makeTinyDecoder()
        let before = weightBits(model)
        let trainable = someRows(of: model)
        let access = PackedRowAccess(trainable, parameters: model.parameters)
        let range = 100..<access.count - 50
        let values = randomFloats(range.count, seed: 77)
        let old = packed(trainable, model)
        values.withUnsafeBufferPointer { access.scatter($0.baseAddress!, to: range) }
        #expect(bits(packed(trainable, model)) == bits(Array(old[..<100]) + values + Array(old[(old.count - 50)...])))
        // Rows that are not selected keep their bits.
        let after = weightBits(model)
        var selected = before.map { _ in Set<Int>() }
        for entry in trainable.entries { selected[entry.parameter] = Set((entry.rows ?? []).map(Int.init)) }
        for (index, parameter) in model.parameters.enumerated() {
            for row in 0..<parameter.rows where !selected[index].contains(row) {
                let values = row * parameter.columns..<(row + 1) * parameter.columns
                #expect(after[index][values] == before[index][values])
            }
        }
    }

    @Test func neighboursMakeOneRun() {
        let model = makeTinyDecoder()
        let rows: [Int32] = [0, 1, 2, 5, 7, 8]
        let access = PackedRowAccess(
            TrainableRows(selection: [(0, rows), (1, nil)], parameters: model.parameters), parameters: model.parameters)
        #expect(access.runs.map(\.count) == [3 * 48, 48, 2 * 48, 16 * 48])
        #expect(PackedRowAccess(model.everyWeight, parameters: model.parameters).runs.count == model.parameters.count)
    }

    /// Slices, their number and threads do not change a bit of the optimizer's result.
    @Test func optimizerDoesNotDependOnTheCut() {
        let model = makeTinyDecoder()
        let access = PackedRowAccess(model.everyWeight, parameters: model.parameters)
        let gradients = (1...3).map { randomFloats(access.count, seed: UInt64($0)) }
        func weights(owners: [[Range<Int>]], threads: Int) -> [UInt32] {
            let team = WorkerTeam(threads: threads)
            var weights = [Float](repeating: .nan, count: access.count)
            for owned in owners {
                let optimizer = RowOptimizer(access: access, owned: owned, weightDecay: 0.1, team: team)
                for gradient in gradients {
                    var result = gradient
                    result.withUnsafeMutableBufferPointer { optimizer.update($0, learningRate: 1e-3) }
                    for value in owned.joined() { weights[value] = result[value] }
                    #expect(!owned.isEmpty || result == gradient)
                }
                #expect(optimizer.updates == 3)
            }
            return bits(weights)
        }
        let whole = weights(owners: [[0..<access.count]], threads: 1)
        #expect(weights(owners: [[0..<access.count]], threads: 3) == whole)
        #expect(
            weights(
                owners: [[0..<4_096, 8_192..<12_345], [], [4_096..<8_192], [12_345..<access.count]], threads: 2)
                == whole)
    }
}
