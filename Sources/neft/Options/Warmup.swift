/// How long the learning rate rises: a share of all steps (`5%`) or a number of steps (`20`).
enum Warmup: Equatable, CustomStringConvertible {
    case share(Double)
    case steps(Int)

    init(_ text: String) throws(OptionValueError) {
        if text.hasSuffix("%"), let fraction = Share.fraction(text), (0...1).contains(fraction) {
            self = .share(fraction)
        } else if let steps = Int(text), steps >= 0 {
            self = .steps(steps)
        } else {
            throw OptionValueError("a share of the steps such as 5%, or a number of steps such as 20")
        }
    }

    func steps(of total: Int) -> Int {
        switch self {
        case .share(let share): Int((share * Double(total)).rounded())
        case .steps(let steps): min(steps, total)
        }
    }

    var description: String {
        switch self {
        case .share(let share): share * 100 == (share * 100).rounded() ? "\(Int(share * 100))%" : "\(share * 100)%"
        case .steps(let steps): "\(steps)"
        }
    }
}
