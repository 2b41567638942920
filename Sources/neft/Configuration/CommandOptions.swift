import ArgumentParser

/// The options of a command, seen from outside: their long names, and their values once parsed.
///
/// Read from the property wrappers, so that there is no second list to keep in step. It relies on one rule: an option's
/// long name is its property's name in kebab case, as swift-argument-parser makes it by default.
struct CommandOptions {
    struct Entry: Equatable {
        /// Long name without dashes: `global-batch`.
        let name: String
        let isFlag: Bool
        /// Whether it may come several times; known of parsed options only.
        var isList = false
        /// The parsed value as it would be given; nil where there is none or nothing was parsed.
        let value: String?
    }

    /// In the order of the help text.
    let entries: [Entry]

    /// The options that commands of a type take; no values.
    init(of type: any ParsableArguments.Type) {
        entries = Self.entries(of: type.init(), parsed: false)
    }

    /// The options of a parsed command with their values.
    init(of command: any ParsableArguments) {
        entries = Self.entries(of: command, parsed: true)
    }

    private static func entries(of arguments: any ParsableArguments, parsed: Bool) -> [Entry] {
        Mirror(reflecting: arguments).children.flatMap { child -> [Entry] in
            guard let label = child.label else { return [] }
            switch child.value {
            case let group as any ReflectedGroup:
                return entries(of: parsed ? group.arguments : type(of: group).empty, parsed: parsed)
            case let option as any ReflectedOption:
                return [
                    Entry(
                        name: longName(label), isFlag: option.isFlag, isList: parsed && option.anyValue is [String],
                        value: parsed ? describe(option.anyValue) : nil)
                ]
            default: return []
            }
        }
    }

    /// `_globalBatch` → `global-batch`.
    private static func longName(_ label: String) -> String {
        label.drop { $0 == "_" }.reduce(into: "") { name, letter in
            if letter.isUppercase { name += "-" }
            name += letter.lowercased()
        }
    }

    private static func describe(_ value: Any) -> String? {
        let mirror = Mirror(reflecting: value)
        if mirror.displayStyle == .optional { return mirror.children.first.flatMap { describe($0.value) } }
        // A list, or an option that may come several times; nothing where it did not.
        if mirror.displayStyle == .collection {
            let parts = mirror.children.compactMap { describe($0.value) }
            return parts.isEmpty ? nil : parts.joined(separator: ",")
        }
        if let value = value as? any RawRepresentable<String> { return value.rawValue }
        return String(describing: value)
    }
}

private protocol ReflectedGroup {
    var arguments: any ParsableArguments { get }
    static var empty: any ParsableArguments { get }
}

extension OptionGroup: ReflectedGroup {
    fileprivate var arguments: any ParsableArguments { wrappedValue }
    fileprivate static var empty: any ParsableArguments { Value() }
}

private protocol ReflectedOption {
    var isFlag: Bool { get }
    var anyValue: Any { get }
}

extension Option: ReflectedOption {
    fileprivate var isFlag: Bool { false }
    fileprivate var anyValue: Any { wrappedValue }
}

extension Flag: ReflectedOption {
    fileprivate var isFlag: Bool { true }
    fileprivate var anyValue: Any { wrappedValue }
}
