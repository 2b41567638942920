import Foundation

/// A folder of its own for one test, removed with the object.
public final class TemporaryFolder: @unchecked Sendable {
    public let path: String

    public init() throws {
        path = NSTemporaryDirectory() + "neft-test-" + UUID().uuidString
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    }

    deinit { try? FileManager.default.removeItem(atPath: path) }

    public func file(_ name: String) -> String { path + "/" + name }

    public func text(_ name: String) throws -> String { try String(contentsOfFile: file(name), encoding: .utf8) }

    public var names: [String] { get throws { try FileManager.default.contentsOfDirectory(atPath: path).sorted() } }
}
