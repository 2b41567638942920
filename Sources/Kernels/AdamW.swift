import CKernels
import Glibc

/// The numbers of one AdamW step, worked out in Double and rounded once, as `torch.optim.AdamW` does.
public struct AdamWStep: Sendable, Equatable {
    /// What each gradient is multiplied with first: the coefficient of gradient clipping, or 1.
    public let gradientScale: Float
    /// `1 − learningRate · weightDecay`.
    public let decay: Float
    /// `1 − beta1`, `beta2`, `1 − beta2`.
    public let oneMinusBeta1: Float
    /// Decay of the second moment.
    public let beta2: Float
    /// `1 − beta2`.
    public let oneMinusBeta2: Float
    /// `−learningRate / (1 − beta1ᵗ)`.
    public let negativeStepSize: Float
    /// `√(1 − beta2ᵗ)`.
    public let biasCorrection2Root: Float
    /// Keeps the update finite where the second moment is 0.
    public let epsilon: Float

    /// - Parameters:
    ///   - update: number `t` of this update, from 1.
    ///   - learningRate: of this step.
    ///   - weightDecay: decoupled (Loshchilov & Hutter 2019).
    ///   - gradientScale: what the gradient is multiplied with first.
    ///   - beta1: decay of the first moment.
    ///   - beta2: decay of the second moment.
    ///   - epsilon: added to the root of the second moment.
    public init(
        update: Int, learningRate: Double, weightDecay: Double, gradientScale: Float = 1, beta1: Double = 0.9,
        beta2: Double = 0.999, epsilon: Double = 1e-8
    ) {
        precondition(update >= 1, "AdamWStep: update \(update)")
        self.gradientScale = gradientScale
        decay = Float(1 - learningRate * weightDecay)
        oneMinusBeta1 = Float(1 - beta1)
        self.beta2 = Float(beta2)
        oneMinusBeta2 = Float(1 - beta2)
        negativeStepSize = Float(-(learningRate / (1 - pow(beta1, Double(update)))))
        biasCorrection2Root = Float((1 - pow(beta2, Double(update))).squareRoot())
        self.epsilon = Float(epsilon)
    }
}

/// One AdamW update of `count` values: turns a gradient into the new weights in place, and updates both moments.
///
/// Each value is computed alone and each operation rounded by itself, so the bits do not depend on how the values are
/// cut into calls. The arrays must not overlap (they may, at the cost of speed, without changing the result).
/// - Parameters:
///   - weights: `[count]`, the present values; only read, so that the exchange can send how they change.
///   - gradient: `[count]`; the new weights afterwards.
///   - firstMoment: `[count]`, updated.
///   - secondMoment: `[count]`, updated.
///   - count: number of values.
///   - step: constants of this update.
public func adamW(
    weights: UnsafePointer<Float>, gradient: UnsafeMutablePointer<Float>, firstMoment: UnsafeMutablePointer<Float>,
    secondMoment: UnsafeMutablePointer<Float>, count: Int, step: AdamWStep
) {
    // A plain loop of independent lanes: the compiler vectorises it, square root and division included.
    let (scale, decay, stepSize) = (step.gradientScale, step.decay, step.negativeStepSize)
    let (oneMinusBeta1, beta2, oneMinusBeta2) = (step.oneMinusBeta1, step.beta2, step.oneMinusBeta2)
    let (root, epsilon) = (step.biasCorrection2Root, step.epsilon)
    for i in 0..<count {
        let g = gradient[i] * scale
        let m = firstMoment[i] + oneMinusBeta1 * (g - firstMoment[i])
        let v = secondMoment[i] * beta2 + oneMinusBeta2 * (g * g)
        let denominator = neft_square_root(v) / root + epsilon
        firstMoment[i] = m
        secondMoment[i] = v
        gradient[i] = weights[i] * decay + stepSize * (m / denominator)
    }
}

/// The naive twin of `adamW` for one value, in Double.
public func adamWReference(
    weight: Double, gradient: Double, firstMoment: inout Double, secondMoment: inout Double, update: Int,
    learningRate: Double, weightDecay: Double, gradientScale: Double = 1
) -> Double {
    let g = gradient * gradientScale
    firstMoment = 0.9 * firstMoment + 0.1 * g
    secondMoment = 0.999 * secondMoment + 0.001 * g * g
    let corrected = firstMoment / (1 - pow(0.9, Double(update)))
    let spread = (secondMoment / (1 - pow(0.999, Double(update)))).squareRoot()
    return weight - learningRate * weightDecay * weight - learningRate * corrected / (spread + 1e-8)
}
