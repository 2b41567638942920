/// The paper's score of a neuron: how far fine-tuning turned its weights, `1 − cos(w, w′)`.
public enum WeightShift {
    /// Computed as `½ ‖w/‖w‖ − w′/‖w′‖‖²` in Double, which is the same number without the cancellation: shifts are
    /// 1e-7 to 1e-3. A row that is zero before and after has not moved (0); one that is zero on one side only is at
    /// right angles (1).
    ///
    /// - Parameters:
    ///   - before: `[count]`.
    ///   - after: `[count]`.
    ///   - count: values of a row.
    ///   - bias: the neuron's, one value more of either; nil where it has none.
    public static func score(
        _ before: UnsafePointer<Float>, _ after: UnsafePointer<Float>, count: Int,
        bias: (before: Float, after: Float)? = nil
    ) -> Double {
        let (bias1, bias2) = (Double(bias?.before ?? 0), Double(bias?.after ?? 0))
        var (a, b) = (bias1 * bias1, bias2 * bias2)
        for i in 0..<count {
            a += Double(before[i]) * Double(before[i])
            b += Double(after[i]) * Double(after[i])
        }
        if a == 0 || b == 0 { return a == b ? 0 : 1 }
        let (x, y) = (1 / a.squareRoot(), 1 / b.squareRoot())
        let biasDifference = bias1 * x - bias2 * y
        var sum = biasDifference * biasDifference
        for i in 0..<count {
            let difference = Double(before[i]) * x - Double(after[i]) * y
            sum += difference * difference
        }
        return sum / 2
    }
}
