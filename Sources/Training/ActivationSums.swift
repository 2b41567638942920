import Collectives
import Datasets
import Kernels
import Models
import Neurons

/// Sums of the neurons' activations over tokens, per class of rows.
///
/// A micro-batch is summed in double precision, and its sums are added as whole numbers of 2⁻⁶⁴. Such additions have no
/// order: the result has the same bits for any number of ranks, whichever of them computes a micro-batch.
struct ActivationSums {
    /// What is summed.
    enum Quantity {
        /// `|a|` over every token of the rows.
        case magnitude
        /// `a` over the tokens before the first one that is learned, which for labelled rows is the label.
        case signedBeforeTargets
    }

    let quantity: Quantity
    let classCount: Int
    let neuronCount: Int
    /// Whole numbers of 2⁻⁶⁴, `[classCount, neuronCount]`.
    private var sums: [Int128]
    /// Tokens summed over, by class.
    private(set) var tokens: [Int]
    /// Whether all sums were finite, and of a size that can be added up.
    private(set) var isFinite = true
    /// First neuron and number of neurons, by `layer * 7 + projection`.
    private let places: [(first: Int, count: Int)]
    /// Of one projection and class.
    private var partial: [Double]

    /// `classCount`: 1 where rows have no classes.
    init(_ quantity: Quantity, classCount: Int, model: any LanguageModel) {
        self.quantity = quantity
        self.classCount = classCount
        var (places, first) = ([(first: Int, count: Int)](), 0)
        for projection in model.projections {
            places.append((first, projection.rows))
            first += projection.rows
        }
        self.places = places
        neuronCount = first
        sums = .init(repeating: 0, count: classCount * first)
        tokens = .init(repeating: 0, count: classCount)
        partial = .init(repeating: 0, count: places.map(\.count).max() ?? 0)
    }

    /// Runs the model on a micro-batch and adds its activations.
    /// `rowClasses`: of each row; empty for class 0 throughout.
    mutating func add(_ batch: PackedBatch, rowClasses: [Int], model: any LanguageModel, team: WorkerTeam) {
        let weights = tokenWeights(batch, rowClasses: rowClasses)
        for (index, weights) in weights.enumerated() { tokens[index] += Int(weights.reduce(0, +)) }
        model.observe(batch) { layer, projection, outputs in
            let place = places[layer * Projection.allCases.count + projection.rawValue]
            for (index, weights) in weights.enumerated() where !weights.isEmpty {
                partial.withUnsafeMutableBufferPointer { partial in
                    weightedColumnSums(
                        team, sums: partial.baseAddress!, source: outputs, weights: weights, T: batch.tokenCount,
                        O: place.count, ofMagnitudes: quantity == .magnitude)
                }
                for neuron in 0..<place.count {
                    let sum = partial[neuron]
                    guard sum.magnitude < 0x1p40 else {
                        isFinite = false
                        continue
                    }
                    sums[index * neuronCount + place.first + neuron] += Int128((sum * 0x1p64).rounded())
                }
            }
        }
    }

    /// How often each token counts for each class, `[classCount][T]`; empty for classes without a row in the batch. A
    /// shared beginning counts once for every row.
    private func tokenWeights(_ batch: PackedBatch, rowClasses: [Int]) -> [[Double]] {
        precondition(rowClasses.isEmpty || rowClasses.count == batch.rowCount, "ActivationSums: \(rowClasses) classes")
        var weights: [[Double]] = Array(repeating: [], count: classCount)
        for row in 0..<batch.rowCount {
            let index = rowClasses.isEmpty ? 0 : rowClasses[row]
            if weights[index].isEmpty { weights[index] = .init(repeating: 0, count: batch.tokenCount) }
            var end = Int(batch.rowStarts[row + 1])
            if quantity == .signedBeforeTargets, batch.targetStarts[row] < batch.targetStarts[row + 1] {
                end = Int(batch.targetPositions[Int(batch.targetStarts[row])]) + 1
            }
            for token in 0..<batch.prefixCount { weights[index][token] += 1 }
            for token in Int(batch.rowStarts[row])..<end { weights[index][token] += 1 }
        }
        return weights
    }

    /// Collective: adds up what all ranks have summed, on every rank.
    mutating func addOverRanks(_ communicator: any Communicator) {
        let own = sums.withUnsafeBytes { Array($0) } + tokens.withUnsafeBytes { Array($0) } + [isFinite ? 1 : 0]
        let width = MemoryLayout<Int128>.stride
        var (total, tokenTotal) = ([Int128](repeating: 0, count: sums.count), [Int](repeating: 0, count: classCount))
        for bytes in communicator.allGather(own) {
            bytes.withUnsafeBytes { raw in
                for index in total.indices {
                    total[index] += raw.loadUnaligned(fromByteOffset: index * width, as: Int128.self)
                }
                for index in tokenTotal.indices {
                    tokenTotal[index] += raw.loadUnaligned(
                        fromByteOffset: total.count * width + index * MemoryLayout<Int>.stride, as: Int.self)
                }
            }
            isFinite = isFinite && bytes.last == 1
        }
        (sums, tokens) = (total, tokenTotal)
    }

    /// The mean over the tokens of a class, by neuron.
    /// - Parameter index: a class that has tokens.
    func means(ofClass index: Int) -> [Double] {
        let count = Double(tokens[index])
        return sums[index * neuronCount..<(index + 1) * neuronCount].map { Double($0) * 0x1p-64 / count }
    }
}

/// `Σ |q(z) − q(z′)|` over all pairs of classes, by neuron: Probeless (Antverg & Belinkov 2022, eq. 1).
/// - Parameter means: `q(z)`, `[classes][neurons]`; at least one class.
func probelessScores(_ means: [[Double]]) -> [Double] {
    var scores = [Double](repeating: 0, count: means[0].count)
    for first in means.indices {
        for second in (first + 1)..<max(first + 1, means.count) {
            for neuron in scores.indices { scores[neuron] += abs(means[first][neuron] - means[second][neuron]) }
        }
    }
    return scores
}
