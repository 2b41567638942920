import Kernels
import Models

/// AdamW on this rank's slice of the packed rows: holds the moments of that slice and nothing else.
///
/// Decoupled weight decay, betas 0.9 and 0.999, epsilon 1e-8, as `torch.optim.AdamW` (Loshchilov & Hutter 2019).
public final class RowOptimizer {
    /// The packed values it updates.
    public let owned: Range<Int>
    public let weightDecay: Double
    /// Updates made so far.
    public internal(set) var updates = 0

    private let access: PackedRowAccess
    private let team: WorkerTeam
    /// `[owned.count]` each, zero at first.
    let firstMoment: TensorStorage
    let secondMoment: TensorStorage

    /// Values per tile. Any cut gives the same bits.
    private static let tile = 16_384

    public init(access: PackedRowAccess, owned: Range<Int>, weightDecay: Double, team: WorkerTeam) {
        self.access = access
        self.owned = owned
        self.weightDecay = weightDecay
        self.team = team
        firstMoment = TensorStorage(count: owned.count)
        secondMoment = TensorStorage(count: owned.count)
    }

    /// Turns the gradient of the owned values into their new weights, in place. The model is not changed: the exchange
    /// still needs the present weights.
    /// - Parameters:
    ///   - gradient: `[owned.count]`.
    ///   - gradientScale: what the gradient is multiplied with first.
    public func update(
        _ gradient: UnsafeMutableBufferPointer<Float>, learningRate: Double, gradientScale: Float = 1
    ) {
        precondition(gradient.count == owned.count, "RowOptimizer: \(gradient.count) values, not \(owned.count)")
        updates += 1
        guard let base = gradient.baseAddress else { return }
        let step = AdamWStep(
            update: updates, learningRate: learningRate, weightDecay: weightDecay, gradientScale: gradientScale)
        let (first, second, start) = (firstMoment.pointer, secondMoment.pointer, owned.lowerBound)
        team.forEachBlock(of: owned.count, block: Self.tile) { block, _ in
            access.forEachRun(in: start + block.lowerBound..<start + block.upperBound) { part, weights in
                let offset = part.lowerBound - start
                adamW(
                    weights: weights, gradient: base + offset, firstMoment: first + offset,
                    secondMoment: second + offset, count: part.count, step: step)
            }
        }
    }
}
