import Foundation

/// Folders that appear whole or not at all: filled aside in the same place, then renamed.
public enum AtomicFolder {
    /// Makes the folder `path`, and those above it that are missing, through `fill`, which writes into the folder it is
    /// given. An empty folder at `path` is replaced. On any failure nothing is left behind; what a killed process left is
    /// removed by the next that writes there.
    public static func write<Result>(_ path: String, _ fill: (_ aside: String) throws -> Result) throws -> Result {
        let files = FileManager.default
        let url = URL(fileURLWithPath: path).standardizedFileURL
        var missing: [String] = []
        var parent = url.deletingLastPathComponent()
        while !files.fileExists(atPath: parent.path), parent.path != "/" {
            missing.insert(parent.path, at: 0)
            parent.deleteLastPathComponent()
        }
        removeAbandoned(url)
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
        AtomicFile.flushFolder(of: url.path)
        return result
    }

    /// Copies a file byte for byte. Of a symbolic link, the file that it leads to: in Hugging Face's cache all are links.
    public static func copy(_ file: String, to other: String) throws(CheckpointError) {
        let data: Data
        do { data = try Data(contentsOf: URL(fileURLWithPath: file)) } catch {
            throw CheckpointError(
                file: file, found: "cannot be read (\(error.localizedDescription))", expected: "to copy it to \(other)",
                hint: "check the file's permissions")
        }
        try AtomicFile.write(other) { writer throws(CheckpointError) in try writer.write(Array(data)) }
    }

    /// Removes what processes of this host that are gone were filling for the same place.
    private static func removeAbandoned(_ url: URL) {
        let files = FileManager.default
        let parent = url.deletingLastPathComponent().path
        let start = "\(url.lastPathComponent).writing-"
        for name in (try? files.contentsOfDirectory(atPath: parent)) ?? [] where name.hasPrefix(start) {
            guard let process = pid_t(name.dropFirst(start.count)), kill(process, 0) != 0, errno == ESRCH else {
                continue
            }
            try? files.removeItem(atPath: "\(parent)/\(name)")
        }
    }
}
