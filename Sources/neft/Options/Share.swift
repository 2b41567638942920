/// A share of something, more than none and at most all: `6%` or `0.06`.
struct Share: Equatable, CustomStringConvertible {
    /// 0 < fraction ≤ 1.
    let fraction: Double
    /// As the user wrote it.
    let description: String

    init(_ text: String) throws(OptionValueError) {
        guard let fraction = Self.fraction(text) else {
            throw OptionValueError("a share such as 6% or 0.06")
        }
        guard fraction > 0, fraction <= 1 else {
            let isMissing = !text.hasSuffix("%") && fraction > 1 && fraction <= 100
            throw OptionValueError("more than 0% and at most 100%" + (isMissing ? "; did you mean \(text)%?" : ""))
        }
        self.fraction = fraction
        description = text
    }

    /// `5%` → 0.05, `0.05` → 0.05; nil for anything that is no finite number.
    static func fraction(_ text: String) -> Double? {
        let isPercent = text.hasSuffix("%")
        guard let value = Double(isPercent ? text.dropLast() : text[...]), value.isFinite else { return nil }
        return isPercent ? value / 100 : value
    }
}
