import Foundation

/// Weights in the form that computes, made once from a checkpoint and mapped by every process that needs them: the ranks
/// of a node then share one copy in memory.
///
/// A file per checkpoint and element type, named after the checkpoint's files: their paths, sizes, modification times and
/// inodes, so that a copy of the checkpoint has a file of its own. It is only an aid: where it cannot be written, every
/// process makes its own copy in memory.
public struct WeightCache {
    private let folder: String?
    private let sources: [String]
    private let onFailure: (CheckpointError) -> Void

    /// - Parameters:
    ///   - folder: made if it is not there; nil for none.
    ///   - sources: the checkpoint's files.
    ///   - onFailure: told why a file in `folder` cannot be written.
    public init(folder: String?, sources: [String], onFailure: @escaping (CheckpointError) -> Void = { _ in }) {
        self.folder = folder
        self.sources = sources
        self.onFailure = onFailure
    }

    /// The cached tensors, made if they are not there yet, one after the other. Several processes may ask at once: one
    /// makes the file, the others wait for it.
    /// - Parameters:
    ///   - type: of the values in the file.
    ///   - salt: what else decides the values.
    ///   - tensors: what the file is to hold, in this order.
    ///   - read: a tensor's floats.
    /// - Returns: nil where no file can be written.
    /// - Throws: what `read` throws, if it is called.
    public func tensors(
        _ type: ElementType, salt: String, _ tensors: [(name: String, shape: [Int])],
        _ read: @escaping (_ name: String, _ shape: [Int]) throws(CheckpointError) -> FloatTensor
    ) throws(CheckpointError) -> SafetensorsFile? {
        guard let folder else { return nil }
        guard let key = BaseHash.cacheKey(files: sources, "\(salt) \(type.rawValue) 1") else {
            onFailure(
                CheckpointError(
                    file: sources.first ?? folder, found: "sizes and times of the files are not known",
                    expected: "files that stay as they are", hint: "check that they are still there"))
            return nil
        }
        let path = "\(folder)/weights-\(key)-\(type.rawValue.lowercased()).safetensors"
        if let known = try? SafetensorsFile(path: path) { return known }
        do { try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true) } catch {
            onFailure(
                CheckpointError(
                    file: folder, found: "cannot be created (\(error.localizedDescription))",
                    expected: "a folder for converted weights", hint: "name another one with --cache"))
            return nil
        }
        let lock = open(path + ".lock", O_RDWR | O_CREAT | O_CLOEXEC, 0o644)
        // Without a lock, as on some network file systems, several may write: each aside, and the last one stays.
        if lock >= 0 { flock(lock, LOCK_EX) }
        defer {
            if lock >= 0 {
                unlink(path + ".lock")
                close(lock)
            }
        }
        if let made = try? SafetensorsFile(path: path) { return made }
        removeAbandoned(path)
        var writer = SafetensorsWriter()
        var refusal: CheckpointError?
        for (name, shape) in tensors {
            writer.add(name, shape: shape, as: type) { () throws(CheckpointError) -> FloatTensor in
                do throws(CheckpointError) { return try read(name, shape) } catch {
                    refusal = error
                    throw error
                }
            }
        }
        do throws(CheckpointError) { try writer.write(to: path) } catch {
            // A file that cannot be written is no fault of the checkpoint.
            if let refusal { throw refusal }
            onFailure(error)
            return nil
        }
        do throws(CheckpointError) { return try SafetensorsFile(path: path) } catch {
            onFailure(error)
            return nil
        }
    }

    /// Removes what processes that were killed left of the same file: nothing was written to it for an hour.
    private func removeAbandoned(_ path: String) {
        let start = (path as NSString).lastPathComponent + ".writing-"
        let folder = (path as NSString).deletingLastPathComponent
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [] where name.hasPrefix(start) {
            var status = stat()
            guard stat("\(folder)/\(name)", &status) == 0, time(nil) - status.st_mtim.tv_sec > 3600 else { continue }
            unlink("\(folder)/\(name)")
        }
    }
}
