import Foundation

/// How many steps the learning rate rises.
public enum Warmup: Equatable, Sendable {
    /// A share of all steps, 0…1, rounded up to whole steps.
    case share(Double)
    /// A number of steps.
    case steps(Int)

    /// Steps of warm-up in a run of `total` steps, at most `total`.
    public func steps(of total: Int) -> Int {
        switch self {
        case .steps(let steps): min(max(steps, 0), total)
        case .share(let share):
            // 0.07 · 100 is a little more than 7 in floating point and must not become 8.
            min(max(Int((share * Double(total) - 1e-9).rounded(.up)), 0), total)
        }
    }
}

/// The learning rate of every step of a run: a linear rise, then the chosen shape.
///
/// With base rate b, N steps and W of warm-up, step n (from 0) has
/// `b · (n + 1) / W` while n < W, and then
/// `b · (N − n) / (N − W)` (linear), `b · ½ (1 + cos(π (n − W) / (N − W)))` (cosine) or `b` (constant).
public struct LearningRateSchedule: Equatable, Sendable {
    /// How the rate falls after the warm-up.
    public enum Shape: String, CaseIterable, Sendable {
        /// Straight to 0.
        case linear
        /// Half a cosine to 0.
        case cosine
        /// Not at all.
        case constant
    }

    /// How it falls.
    public let shape: Shape
    /// The highest rate, `b`.
    public let base: Double
    /// Steps of the warm-up, `W`.
    public let warmupSteps: Int
    /// Steps of the run, `N`.
    public let totalSteps: Int

    /// - Parameters:
    ///   - shape: how it falls.
    ///   - base: the highest rate.
    ///   - warmup: how long it rises.
    ///   - totalSteps: optimizer steps of the run, at least 1.
    public init(shape: Shape, base: Double, warmup: Warmup, totalSteps: Int) {
        precondition(totalSteps >= 1, "LearningRateSchedule: \(totalSteps) steps")
        self.shape = shape
        self.base = base
        self.totalSteps = totalSteps
        warmupSteps = warmup.steps(of: totalSteps)
    }

    /// The rate of step `step`, `0 ..< totalSteps`.
    public func rate(step: Int) -> Double {
        precondition(step >= 0 && step < totalSteps, "LearningRateSchedule: step \(step) of \(totalSteps)")
        if step < warmupSteps { return base * Double(step + 1) / Double(warmupSteps) }
        let (left, length) = (Double(totalSteps - step), Double(totalSteps - warmupSteps))
        return switch shape {
        case .linear: base * left / length
        case .cosine: base * 0.5 * (1 + cos(Double.pi * Double(step - warmupSteps) / length))
        case .constant: base
        }
    }
}
