import Foundation

/// Folders that appear whole or not at all: filled aside in the same place, then renamed.
public enum AtomicFolder {
    /// Makes the folder `path`, and those above it that are missing, through `fill`, which writes into the folder it is
    /// given. An empty folder at `path` is replaced. On any failure nothing is left behind.
    public static func write<Result>(_ path: String, _ fill: (_ aside: String) throws -> Result) throws -> Result {
        let files = FileManager.default
        let url = URL(fileURLWithPath: path).standardizedFileURL
        var missing: [String] = []
        var parent = url.deletingLastPathComponent()
        while !files.fileExists(atPath: parent.path), parent.path != "/" {
            missing.insert(parent.path, at: 0)
            parent.deleteLastPathComponent()
        }
        let aside = "\(url.path).writing-\(getpid())"
        var done = false
        defer {
            if !done {
                try? files.removeItem(atPath: aside)
                for folder in missing.reversed() { rmdir(folder) }
            }
        }
        guard (try? files.createDirectory(atPath: aside, withIntermediateDirectories: true)) != nil else {
            throw AtomicFile.failure(path, "cannot be created")
        }
        let result = try fill(aside)
        guard rename(aside, url.path) == 0 else { throw AtomicFile.failure(path, "cannot be put in place") }
        done = true
        return result
    }

    /// Copies a file byte for byte.
    public static func copy(_ file: String, to other: String) throws(CheckpointError) {
        do {
            try FileManager.default.copyItem(atPath: file, toPath: other)
        } catch {
            throw CheckpointError(
                file: other, found: "cannot be written (\(error.localizedDescription))", expected: "a copy of \(file)",
                hint: "check the folder's permissions and the free space")
        }
    }
}
