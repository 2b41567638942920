import Glibc

/// A file being written, without any buffer of its own: what was written survives the end of the process.
final class OutputFile {
    private let path: String
    private var descriptor: Int32

    /// `descriptor`: a file open for writing; closed by this object.
    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
    }

    /// Creates the file; one that exists already is an error.
    convenience init(creating path: String) throws(ReportingError) {
        let descriptor = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0o644)
        if descriptor < 0 {
            if errno == EEXIST {
                throw ReportingError(
                    file: path, found: "the file exists", expected: "a path that is free",
                    hint: "choose another output folder or remove the old one")
            }
            throw Self.failure(path, "cannot be created")
        }
        self.init(descriptor: descriptor, path: path)
    }

    /// Opens a file that is there, to write after its end.
    convenience init(appending path: String) throws(ReportingError) {
        let descriptor = open(path, O_WRONLY | O_APPEND | O_CLOEXEC)
        guard descriptor >= 0 else { throw Self.failure(path, "cannot be opened") }
        self.init(descriptor: descriptor, path: path)
    }

    deinit { if descriptor >= 0 { _ = Glibc.close(descriptor) } }

    func write(_ text: String) throws(ReportingError) { try write(Array(text.utf8)) }

    func write(_ bytes: [UInt8]) throws(ReportingError) {
        precondition(descriptor >= 0, "OutputFile: written to after close")
        var rest = bytes[...]
        while !rest.isEmpty {
            let written = rest.withUnsafeBytes { Glibc.write(descriptor, $0.baseAddress, $0.count) }
            if written < 0 {
                if errno == EINTR { continue }
                throw Self.failure(path, "cannot be written")
            }
            rest = rest.dropFirst(written)
        }
    }

    /// Brings everything to the disk and closes the file; does nothing the second time.
    func close() throws(ReportingError) {
        guard descriptor >= 0 else { return }
        defer { descriptor = -1 }
        do throws(ReportingError) { try sync() } catch {
            _ = Glibc.close(descriptor)
            throw error
        }
        if Glibc.close(descriptor) != 0 { throw Self.failure(path, "cannot be closed") }
    }

    /// Brings everything so far to the disk.
    func sync() throws(ReportingError) {
        precondition(descriptor >= 0, "OutputFile: synced after close")
        // Pipes and some special files cannot be synced, which is no loss.
        if fsync(descriptor) != 0 && errno != EINVAL && errno != EROFS {
            throw Self.failure(path, "cannot be brought to the disk")
        }
    }

    /// Puts `text` at `path`, all of it or nothing, replacing what was there: a temporary file beside it is renamed.
    static func replace(_ path: String, with text: String) throws(ReportingError) {
        let temporary = "\(path).\(getpid()).tmp"
        unlink(temporary)
        let file = try OutputFile(creating: temporary)
        do throws(ReportingError) {
            try file.write(text)
            try file.close()
            if rename(temporary, path) != 0 { throw failure(path, "cannot be replaced") }
        } catch {
            unlink(temporary)
            throw error
        }
    }

    private static func failure(_ path: String, _ what: String) -> ReportingError {
        ReportingError(
            file: path, found: "\(what): \(String(cString: strerror(errno)))",
            expected: "a writable folder with free space",
            hint: "check the output folder")
    }
}
