import Kernels
import Models

/// AdamW on the packed values that this rank owns: holds their moments and nothing else.
///
/// Decoupled weight decay, betas 0.9 and 0.999, epsilon 1e-8, as `torch.optim.AdamW` (Loshchilov & Hutter 2019).
public final class RowOptimizer {
    /// The packed values it updates, ascending.
    public let owned: [Range<Int>]
    /// Decoupled, per step and unit of learning rate.
    public let weightDecay: Double
    /// Updates made so far.
    public internal(set) var updates = 0

    private let access: PackedRowAccess
    private let team: WorkerTeam
    /// One float per owned value each, in their order; zero at first.
    let firstMoment: TensorStorage
    let secondMoment: TensorStorage

    /// Values per tile. Any cut gives the same bits.
    private static let tile = 16_384

    /// Moments of the owned values, all 0.
    public init(access: PackedRowAccess, owned: [Range<Int>], weightDecay: Double, team: WorkerTeam) {
        self.access = access
        self.owned = owned
        self.weightDecay = weightDecay
        self.team = team
        let count = owned.reduce(0) { $0 + $1.count }
        firstMoment = TensorStorage(count: count)
        secondMoment = TensorStorage(count: count)
    }

    /// Turns the gradient of the owned values into their new weights, in place. The model is not changed: the exchange
    /// still needs the present weights.
    /// - Parameters:
    ///   - gradient: in packed order, `[access.count]`; only owned values are read and changed.
    ///   - learningRate: of this step.
    ///   - gradientScale: what the gradient is multiplied with first.
    public func update(
        _ gradient: UnsafeMutableBufferPointer<Float>, learningRate: Double, gradientScale: Float = 1
    ) {
        apply(
            beginUpdate(learningRate: learningRate, gradientScale: gradientScale), to: gradient,
            within: 0..<access.count)
    }

    /// Begins an update that is made part by part: `apply` must then come for every owned value once.
    func beginUpdate(learningRate: Double, gradientScale: Float) -> AdamWStep {
        updates += 1
        return AdamWStep(
            update: updates, learningRate: learningRate, weightDecay: weightDecay, gradientScale: gradientScale)
    }

    /// Does what `update` does for the owned values of a packed range. Any cut into ranges gives the same bits.
    func apply(_ step: AdamWStep, to gradient: UnsafeMutableBufferPointer<Float>, within values: Range<Int>) {
        precondition(gradient.count == access.count, "RowOptimizer: \(gradient.count) values, not \(access.count)")
        guard let base = gradient.baseAddress else { return }
        var (first, second) = (firstMoment.pointer, secondMoment.pointer)
        for range in owned {
            let common = range.clamped(to: values)
            if !common.isEmpty {
                // Of the first value in common; neither range nor pointers change while the team works.
                let offset = common.lowerBound - range.lowerBound
                nonisolated(unsafe) let (moment1, moment2) = (first + offset, second + offset)
                team.forEachBlock(of: common.count, block: Self.tile) { block, _ in
                    let tile = common.lowerBound + block.lowerBound..<common.lowerBound + block.upperBound
                    access.forEachRun(in: tile) { part, weights, _ in
                        let offset = part.lowerBound - common.lowerBound
                        adamW(
                            weights: weights, gradient: base + part.lowerBound, firstMoment: moment1 + offset,
                            secondMoment: moment2 + offset, count: part.count, step: step)
                    }
                }
            }
            first += range.count
            second += range.count
        }
    }
}
