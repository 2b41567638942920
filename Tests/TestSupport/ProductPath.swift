import Foundation

/// Where the package's executables are: next to the test bundle, in the build folder of the same configuration.
public enum ProductPath {
    /// The folder of the running test bundle.
    public static let folder: URL = {
        let executable = (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe"))
            .map { URL(fileURLWithPath: $0) }
        // Where there is no /proc the runner's own name has to do.
        return (executable ?? URL(fileURLWithPath: CommandLine.arguments[0])).deletingLastPathComponent()
    }()

    /// The executable product `name`. The test target must depend on it, so that it is built.
    public static func executable(_ name: String) throws -> URL {
        let candidates = [folder, URL(fileURLWithPath: CommandLine.arguments[0]).deletingLastPathComponent()]
            .map { $0.appendingPathComponent(name) }
        for candidate in candidates where FileManager.default.isExecutableFile(atPath: candidate.path) {
            return candidate
        }
        throw MissingProduct(description: "no executable at " + candidates.map(\.path).joined(separator: " or "))
    }

    public struct MissingProduct: Error, CustomStringConvertible {
        public let description: String
    }
}
