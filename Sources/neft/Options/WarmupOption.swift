import Training

/// How long the learning rate rises: a share of all steps (`5%`) or a number of steps (`20`).
struct WarmupOption: Equatable, CustomStringConvertible {
    let value: Warmup
    /// As the user wrote it.
    let description: String

    init(_ text: String) throws(OptionValueError) {
        if text.hasSuffix("%"), let fraction = Share.fraction(text), (0...1).contains(fraction) {
            value = .share(fraction)
        } else if let steps = Int(text), steps >= 0 {
            value = .steps(steps)
        } else {
            throw OptionValueError("a share of the steps such as 5%, or a number of steps such as 20")
        }
        description = text
    }
}
