import Foundation

/// Where the repository keeps its fixtures, and where downloads are.
public enum FixturePath {
    private static let package = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent().path

    /// A committed fixture, for example `parity/rows.json`.
    public static func committed(_ name: String) -> String { "\(package)/Tests/Fixtures/\(name)" }

    /// A downloaded file: in `$NEFT_CACHE`, or in `.cache` of the package.
    public static func downloaded(_ name: String) -> String {
        let cache = ProcessInfo.processInfo.environment["NEFT_CACHE"] ?? ""
        return "\(cache.isEmpty ? "\(package)/.cache" : cache)/\(name)"
    }

    /// SmolLM2-135M-Instruct, fetched by `cluster/fetch-model`.
    public static var model: String { downloaded("models/SmolLM2-135M-Instruct.Q4_1.gguf") }
}
