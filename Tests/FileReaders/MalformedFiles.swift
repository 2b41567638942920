import Foundation

/// What `Tests/Fixtures/malformed/make.py` wrote into a folder.
public struct MalformedFiles {
    public struct Case: Decodable, Sendable, CustomStringConvertible {
        public let reader: FileReader
        public let name: String
        /// In the folder.
        public let path: String
        /// Words of the error.
        public let says: [String]
        /// Whether the file is read, and why.
        public let accepted: Bool
        public let why: String

        public var description: String { "\(reader.rawValue)/\(name)" }
    }

    public let folder: String
    public let cases: [Case]

    /// Runs the script. The folder must not exist.
    public init(making folder: String) throws {
        let script = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/malformed/make.py").path
        let process = Process()
        process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
        process.arguments = ["python3", "-B", script, folder]
        try process.run()
        process.waitUntilExit()
        try self.init(existing: folder)
    }

    /// Files that were made before.
    public init(existing folder: String) throws {
        self.folder = folder
        let list = URL(fileURLWithPath: "\(folder)/cases.json")
        cases = try JSONDecoder().decode([Case].self, from: Data(contentsOf: list))
    }

    /// The model that the files are about.
    public var baseModel: String { "\(folder)/valid/model" }

    /// What is right with a reader's files: the path to give to it.
    public func valid(_ reader: FileReader) -> String {
        let path = "\(folder)/valid/\(reader.rawValue)"
        let names = (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? []
        return names.count == 1 ? "\(path)/\(names[0])" : path
    }
}
