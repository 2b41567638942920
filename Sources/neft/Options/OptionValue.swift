/// Why a value of an option is refused; swift-argument-parser puts the option and the value before it.
struct OptionValueError: Error, CustomStringConvertible {
    let description: String

    init(_ expected: String) { description = "expected \(expected)" }
}

/// Readers of numbers with a range, as transforms of options.
enum OptionValue {
    /// Refuses what an unset variable in quotes is.
    static func requirePath(_ text: String, _ option: String, _ expected: String) throws(CommandError) {
        guard text.isEmpty else { return }
        throw CommandError(option, found: "an empty path", expected: expected, hint: "is the shell variable set?")
    }

    static func positive(_ text: String) throws(OptionValueError) -> Int {
        guard let value = Int(text), value > 0, value <= Int(Int32.max) else {
            throw OptionValueError("a whole number from 1")
        }
        return value
    }

    static func threads(_ text: String) throws(OptionValueError) -> Int {
        guard let value = Int(text), (1...1024).contains(value) else {
            throw OptionValueError("a whole number from 1 to 1024")
        }
        return value
    }

    static func nonNegative(_ text: String) throws(OptionValueError) -> Int {
        guard let value = Int(text), value >= 0, value <= Int(Int32.max) else {
            throw OptionValueError("a whole number from 0")
        }
        return value
    }

    static func seed(_ text: String) throws(OptionValueError) -> UInt64 {
        guard let value = UInt64(text) else { throw OptionValueError("a whole number from 0") }
        return value
    }

    static func positiveNumber(_ text: String) throws(OptionValueError) -> Double {
        guard let value = Double(text), value > 0, value.isFinite else {
            throw OptionValueError("a number above 0")
        }
        return value
    }

    static func positiveOrInfinite(_ text: String) throws(OptionValueError) -> Double {
        guard let value = Double(text), value > 0 else { throw OptionValueError("a number above 0, or inf") }
        return value
    }

    static func nonNegativeNumber(_ text: String) throws(OptionValueError) -> Double {
        guard let value = Double(text), value >= 0, value.isFinite else {
            throw OptionValueError("a number from 0")
        }
        return value
    }
}
