import Foundation

/// A JSON object in a file, with typed access that says what is missing.
public struct ConfigurationFile: @unchecked Sendable {
    /// Where the file is.
    public let path: String
    /// What comes before keys in errors: empty, or `key.` of an object inside the file.
    public let prefix: String
    /// Values as Foundation's JSON reader gives them; never changed.
    let values: [String: Any]

    /// Reads the file.
    public init(path: String) throws(CheckpointError) {
        self.path = path
        let data: Data
        do throws(SmallFile.Problem) { data = try SmallFile.readJSON(path) } catch {
            throw CheckpointError(
                file: path, found: error.found,
                expected: error.isMissing ? "a Hugging Face model directory or a GGUF file" : "a JSON object",
                hint: error.isMissing ? "check the path given with --model" : "download or save the model again")
        }
        guard let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
            throw CheckpointError(
                file: path, found: "JSON that is not an object", expected: "one",
                hint: "download or save the model again")
        }
        prefix = ""
        values = object
    }

    private init(path: String, prefix: String, values: [String: Any]) {
        self.path = path
        self.prefix = prefix
        self.values = values
    }

    /// A whole number; `fallback` where the key is missing. Throws where there is neither, and for another kind of value.
    public func integer(_ key: String, default fallback: Int? = nil) throws(CheckpointError) -> Int {
        try value(key, "a whole number", fallback, Self.integer)
    }
    /// A number; as `integer`.
    public func number(_ key: String, default fallback: Double? = nil) throws(CheckpointError) -> Double {
        try value(key, "a number", fallback, Self.number)
    }
    /// True or false; as `integer`.
    public func flag(_ key: String, default fallback: Bool? = nil) throws(CheckpointError) -> Bool {
        try value(key, "true or false", fallback) { Self.isFlag($0) ? $0 as? Bool : nil }
    }
    /// A string; as `integer`.
    public func text(_ key: String, default fallback: String? = nil) throws(CheckpointError) -> String {
        try value(key, "a string", fallback) { $0 as? String }
    }
    /// The object under a key, or nil where there is none or it is null.
    public func object(_ key: String) throws(CheckpointError) -> ConfigurationFile? {
        guard has(key) else { return nil }
        let values = try value(key, "an object", nil) { $0 as? [String: Any] }
        return ConfigurationFile(path: path, prefix: "\(prefix)\(key).", values: values)
    }
    /// A list of whole numbers.
    public func integers(_ key: String) throws(CheckpointError) -> [Int] {
        try value(key, "a list of whole numbers", nil) { list in
            (list as? [Any]).flatMap { list in
                let numbers = list.compactMap(Self.integer)
                return numbers.count == list.count ? numbers : nil
            }
        }
    }
    /// The object's keys, in no order.
    public var keys: [String] { Array(values.keys) }
    /// Whether there is no key.
    public var isEmpty: Bool { values.isEmpty }
    /// Whether the key is there with the value null.
    public func isNull(_ key: String) -> Bool { values[key] is NSNull }
    /// Whether the key is there with a value other than null.
    public func has(_ key: String) -> Bool { !(values[key] == nil || values[key] is NSNull) }

    // Foundation's numbers of JSON: true is a 1 for it, and 1.0 a whole number.

    private static func isFlag(_ value: Any) -> Bool {
        (value as? NSNumber).map { String(cString: $0.objCType) == "c" } ?? false
    }
    /// A number of JSON as Foundation read it; nil for true, false and other values.
    static func number(_ value: Any) -> Double? { isFlag(value) ? nil : (value as? NSNumber)?.doubleValue }
    /// A whole number of JSON as Foundation read it.
    static func integer(_ value: Any) -> Int? { isFlag(value) ? nil : value as? Int }

    private func value<T>(_ key: String, _ expected: String, _ fallback: T?, _ convert: (Any) -> T?)
        throws(CheckpointError) -> T
    {
        guard let value = values[key], !(value is NSNull) else {
            if let fallback { return fallback }
            throw CheckpointError(
                file: path, item: prefix + key, found: "missing", expected: expected, hint: "the file is incomplete")
        }
        guard let converted = convert(value) else {
            throw CheckpointError(
                file: path, item: prefix + key, found: "\(value)", expected: expected, hint: "the file is damaged")
        }
        return converted
    }
}
