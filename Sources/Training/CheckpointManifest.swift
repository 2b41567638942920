import Checkpoints
import Foundation

/// `manifest.json` of a checkpoint: its files. Written last: a checkpoint is whole if and only if its manifest is there
/// and every file is as it says.
struct CheckpointManifest: Codable, Equatable {
    struct File: Codable, Equatable {
        let bytes: Int
        let sha256: String

        init(path: String) throws {
            let status = try FileManager.default.attributesOfItem(atPath: path)
            bytes = (status[.size] as? Int) ?? -1
            sha256 = try BaseHash.ofFile(path)
        }
    }

    static let name = "manifest.json"

    /// By name.
    var files: [String: File]

    /// Describes every file of a folder.
    init(describing folder: String) throws {
        files = [:]
        for name in try FileManager.default.contentsOfDirectory(atPath: folder) where name != Self.name {
            files[name] = try File(path: "\(folder)/\(name)")
        }
    }

    func write(to folder: String) throws {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys]
        try AtomicFile.write(
            String(decoding: try encoder.encode(self), as: UTF8.self) + "\n", to: "\(folder)/\(Self.name)")
    }

    /// What is wrong with the checkpoint in a folder; nil if it is whole.
    static func fault(in folder: String) -> String? {
        let data: Data
        do throws(SmallFile.Problem) { data = try SmallFile.readJSON("\(folder)/\(name)") } catch {
            return error.isMissing ? "no \(name)" : "\(name) is damaged: \(error.found)"
        }
        guard let manifest = try? JSONDecoder().decode(Self.self, from: data) else { return "\(name) is damaged" }
        for name in [TrainingCheckpoint.recordName, TrainingCheckpoint.momentsName] where manifest.files[name] == nil {
            return "\(Self.name) does not list \(name)"
        }
        for (name, expected) in manifest.files.sorted(by: { $0.key < $1.key }) {
            guard !name.contains("/") else { return "\(Self.name) is damaged: \"\(name)\" is a path" }
            guard let found = try? File(path: "\(folder)/\(name)") else { return "\(name) is missing or unreadable" }
            if found.bytes != expected.bytes { return "\(name) has \(found.bytes) bytes, not \(expected.bytes)" }
            if found != expected { return "\(name) has other bytes than it was saved with" }
        }
        return nil
    }
}
