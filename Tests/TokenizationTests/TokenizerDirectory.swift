import Foundation
import Testing

@testable import Tokenization

/// A temporary copy of a made tokenizer with some of its parts replaced; removed with the last reference.
final class TokenizerDirectory {
    let url: URL

    /// - Parameters:
    ///   - patch: key path (`model.ignore_merges`) → JSON value; nil removes the key.
    ///   - name: the folder of the fixtures that is copied.
    init(patching patch: [String: Any?], of name: String = "made") throws {
        url = FileManager.default.temporaryDirectory.appendingPathComponent("tokenizer-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: url, withIntermediateDirectories: true)
        let made = Fixtures.directory.appendingPathComponent(name)
        let source = try Data(contentsOf: made.appendingPathComponent("tokenizer.json"))
        var document = try #require(try JSONSerialization.jsonObject(with: source) as? [String: Any])
        for (keyPath, value) in patch {
            Self.set(value, keyPath.split(separator: ".").map(String.init)[...], in: &document)
        }
        try JSONSerialization.data(withJSONObject: document).write(to: url.appendingPathComponent("tokenizer.json"))
        try FileManager.default.copyItem(
            at: made.appendingPathComponent("tokenizer_config.json"),
            to: url.appendingPathComponent("tokenizer_config.json"))
    }

    func tokenizer() throws(TokenizationError) -> Tokenizer { try Tokenizer(directory: url.path) }

    deinit { try? FileManager.default.removeItem(at: url) }

    func write(_ name: String, _ text: String) throws { try write(name, Data(text.utf8)) }

    func write(_ name: String, _ data: Data) throws {
        try data.write(to: url.appendingPathComponent(name))
    }

    private static func set(_ value: Any?, _ path: ArraySlice<String>, in object: inout [String: Any]) {
        guard let key = path.first else { return }
        if path.count == 1 {
            object[key] = value
        } else {
            var inner = object[key] as? [String: Any] ?? [:]
            set(value, path.dropFirst(), in: &inner)
            object[key] = inner
        }
    }
}
