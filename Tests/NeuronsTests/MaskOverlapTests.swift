import Testing

@testable import Neurons

struct MaskOverlapTests {
    private func mask(_ rows: [Int32], also: [Int32] = []) -> NeuronMask {
        var modules = [NeuronMask.Module(name: "model.layers.0.mlp.up_proj", layer: 0, projection: .up, rows: rows)]
        if !also.isEmpty {
            modules.append(.init(name: "model.layers.1.mlp.up_proj", layer: 1, projection: .up, rows: also))
        }
        return NeuronMask(modules: modules, baseHash: "", provenance: [:])
    }

    @Test func commonNeuronsAreOfOneModule() {
        let overlap = MaskOverlap(mask([1, 2, 3], also: [5]), mask([2, 3, 4, 5]))
        #expect((overlap.common, overlap.union) == (2, 6))
        #expect(overlap.jaccard == 1.0 / 3)
        #expect(MaskOverlap(mask([1, 4], also: [1]), mask([1, 4], also: [1])).jaccard == 1)
        #expect(MaskOverlap(mask([0]), mask([1], also: [0])).jaccard == 0)
    }

    /// The mean over every pair of subsets.
    @Test func chanceIsTheMeanOverAllPairs() {
        for total in [1, 4, 7] {
            for a in 0...total {
                for b in 0...total where a + b > 0 {
                    let subsets = (0..<1 << total).filter { $0.nonzeroBitCount == b }
                    // By symmetry one set of `a` stands for all.
                    let fixed = (1 << a) - 1
                    let mean =
                        subsets.reduce(0.0) {
                            $0 + Double(($1 & fixed).nonzeroBitCount) / Double(($1 | fixed).nonzeroBitCount)
                        } / Double(subsets.count)
                    #expect(abs(MaskOverlap.expectedJaccard(a, b, of: total) - mean) < 1e-12, "\(a) \(b) \(total)")
                }
            }
        }
        #expect(MaskOverlap.expectedJaccard(0, 0, of: 5) == 0)
        // Of the size of a real model: near s / (2 − s) for two shares s.
        #expect(abs(MaskOverlap.expectedJaccard(9331, 9331, of: 155_520) - 0.06 / 1.94) < 1e-5)
    }
}
