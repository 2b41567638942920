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

    /// Why a folder's checkpoint is not whole.
    struct Fault: Error { let found: String }

    /// The manifest of a folder, after checking that the checkpoint is whole.
    static func read(in folder: String) throws(Fault) -> CheckpointManifest {
        let data: Data
        do throws(SmallFile.Problem) { data = try SmallFile.readJSON("\(folder)/\(name)") } catch {
            throw Fault(found: error.isMissing ? "no \(name)" : "\(name) is damaged: \(error.found)")
        }
        guard let manifest = try? JSONDecoder().decode(Self.self, from: data) else {
            throw Fault(found: "\(name) is damaged")
        }
        for (name, expected) in manifest.files.sorted(by: { $0.key < $1.key }) {
            guard !name.contains("/") else { throw Fault(found: "\(Self.name) is damaged: \"\(name)\" is a path") }
            guard let found = try? File(path: "\(folder)/\(name)") else {
                throw Fault(found: "\(name) is missing or unreadable")
            }
            guard found.bytes == expected.bytes else {
                throw Fault(found: "\(name) has \(found.bytes) bytes, not \(expected.bytes)")
            }
            guard found == expected else { throw Fault(found: "\(name) has other bytes than it was saved with") }
        }
        return manifest
    }

    /// Refuses a checkpoint of which a file is not listed: nobody has looked whether it is whole.
    func requireListed(_ names: [String]) throws(Fault) {
        for name in names where files[name] == nil {
            throw Fault(found: "\(Self.name) does not list \(name)")
        }
    }
}
