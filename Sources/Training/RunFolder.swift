import Checkpoints
import Foundation

/// The folder of a run and what is where in it. Rank 0 alone makes and writes it.
///
/// ```
/// RUN/ config.yaml  manifest.json  metrics.jsonl  profile.safetensors  neurons.safetensors  checkpoint-NNNNNN/  final/
/// ```
public final class RunFolder {
    /// Where the folder is.
    public let path: String
    /// Every option, resolved.
    public var configurationPath: String { path + "/config.yaml" }
    /// What the run was made with.
    public var manifestPath: String { path + "/manifest.json" }
    /// One line per step.
    public var metricsPath: String { path + "/metrics.jsonl" }
    /// A folder with what TensorBoard reads, in runs with `--tensorboard`.
    public var tensorBoardPath: String { path + "/tensorboard" }
    /// The mask: which neurons were trained.
    public var neuronsPath: String { path + "/neurons.safetensors" }
    /// The scores that the run selected by.
    public var profilePath: String { path + "/profile.safetensors" }
    /// The trained rows of the lowest validation loss, while a run with `--keep-best` is not over.
    public var bestPath: String { path + "/best.safetensors" }
    /// The folder of the result.
    public var finalPath: String { path + "/final" }

    /// Folders that `init` made, outermost first.
    private let created: [String]
    /// Whether an earlier part of the run has made it.
    private let isOld: Bool

    /// Makes the folder, and those above it that are missing. An empty folder is taken as it is.
    ///
    /// - Throws: if there is something at `path` other than an empty folder, or the system refuses.
    public init(creating path: String) throws(TrainingError) {
        self.path = path
        isOld = false
        guard !path.isEmpty else { throw Self.error("--output", "no path") }
        let files = FileManager.default
        var isFolder: ObjCBool = false
        if files.fileExists(atPath: path, isDirectory: &isFolder) {
            guard isFolder.boolValue else { throw Self.error(path, "a file of that name exists") }
            let content: [String]
            do { content = try files.contentsOfDirectory(atPath: path) } catch {
                throw Self.error(path, "cannot be read: \(error.localizedDescription)")
            }
            guard content.isEmpty else { throw Self.error(path, "the folder exists and is not empty") }
            created = []
            return
        }
        var missing: [String] = []
        var ancestor = URL(fileURLWithPath: path).standardizedFileURL
        while !files.fileExists(atPath: ancestor.path), ancestor.path != "/" {
            missing.insert(ancestor.path, at: 0)
            ancestor.deleteLastPathComponent()
        }
        var made: [String] = []
        for folder in missing {
            do { try files.createDirectory(atPath: folder, withIntermediateDirectories: false) } catch {
                for other in made.reversed() { rmdir(other) }
                throw Self.error(path, "cannot be created: \(error.localizedDescription)")
            }
            made.append(folder)
        }
        created = made
    }

    /// Takes the folder of a run that is taken up again, and clears away what it had not finished writing.
    public init(opening path: String) {
        self.path = path
        isOld = true
        created = []
        for name in (try? FileManager.default.contentsOfDirectory(atPath: path)) ?? [] where name.contains(".writing-")
        {
            try? FileManager.default.removeItem(atPath: "\(path)/\(name)")
        }
    }

    /// Whether a run has been begun in the folder at `path`.
    public static func holdsRun(_ path: String) -> Bool {
        FileManager.default.fileExists(atPath: path + "/config.yaml")
    }

    /// Whether a run has been finished in the folder at `path`.
    public static func holdsResult(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path + "/final") }

    /// Removes what the run has written, and the folders that `init` made if nothing else is in them: for a run that
    /// fails before its first step. What an earlier part of the run has left stays.
    public func discard() {
        guard !isOld else { return }
        for file in [
            configurationPath, manifestPath, metricsPath, tensorBoardPath, profilePath, neuronsPath, bestPath,
            finalPath,
        ] {
            try? FileManager.default.removeItem(atPath: file)
        }
        for folder in created.reversed() { rmdir(folder) }
    }

    /// Makes `final/`, whole or not at all: `write` fills a folder aside that is then renamed.
    public func writeFinal(_ write: (_ folder: String) throws -> Void) throws {
        let files = FileManager.default
        let aside = "\(finalPath).writing-\(getpid())"
        try? files.removeItem(atPath: aside)
        do {
            try files.createDirectory(atPath: aside, withIntermediateDirectories: false)
        } catch {
            throw Self.error(aside, "cannot be created: \(error.localizedDescription)")
        }
        do {
            try write(aside)
        } catch {
            try? files.removeItem(atPath: aside)
            throw error
        }
        // Of a run that is taken up again from before its end: the same bytes.
        if isOld { try? files.removeItem(atPath: finalPath) }
        guard rename(aside, finalPath) == 0 else {
            let reason = String(cString: strerror(errno))
            try? files.removeItem(atPath: aside)
            throw Self.error(finalPath, "cannot be put in place: \(reason)")
        }
        AtomicFile.flushFolder(of: finalPath)
    }

    /// Puts a file that never changes in place under another name, in the place of what was there: the same one where the
    /// file system can, else a copy.
    static func link(_ path: String, to other: String) throws(TrainingError) {
        let aside = "\(other).writing-\(getpid())"
        let files = FileManager.default
        try? files.removeItem(atPath: aside)
        do {
            do { try files.linkItem(atPath: path, toPath: aside) } catch {
                try files.copyItem(atPath: path, toPath: aside)
            }
        } catch {
            throw TrainingError(
                subject: other, found: "cannot be written: \(error.localizedDescription)",
                expected: "a copy of \(path)",
                hint: "check the folder's permissions and the free space", isFault: true)
        }
        guard rename(aside, other) == 0 else {
            let reason = String(cString: strerror(errno))
            try? files.removeItem(atPath: aside)
            throw TrainingError(
                subject: other, found: "cannot be put in place: \(reason)", expected: "a copy of \(path)",
                hint: "check the folder's permissions and the free space", isFault: true)
        }
        // Two names of one file: rename leaves both, and nothing is to be done.
        try? files.removeItem(atPath: aside)
    }

    private static func error(_ path: String, _ found: String) -> TrainingError {
        TrainingError(
            subject: path, found: found, expected: "a new or empty folder that can be written",
            hint: "choose another --output, or remove the old one")
    }
}
