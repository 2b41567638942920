import Foundation

/// Files that appear whole or not at all: written aside in the same folder, flushed to disk, then renamed.
public enum AtomicFile {
    /// Writes `path` through `body`, which appends to the open file. On any failure nothing is left behind.
    public static func write(_ path: String, _ body: (FileDescriptorWriter) throws(CheckpointError) -> Void)
        throws(CheckpointError)
    {
        let temporary = aside(path)
        let descriptor = open(temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0o644)
        guard descriptor >= 0 else { throw failure(path, "cannot be created") }
        var closed = false
        var renamed = false
        defer {
            if !closed { close(descriptor) }
            if !renamed { unlink(temporary) }
        }
        let writer = FileDescriptorWriter(descriptor: descriptor, path: path)
        try body(writer)
        try writer.flush()
        guard fsync(descriptor) == 0 else { throw failure(path, "cannot be flushed") }
        closed = true
        guard close(descriptor) == 0 else { throw failure(path, "cannot be closed") }
        guard rename(temporary, path) == 0 else { throw failure(path, "cannot be renamed into place") }
        renamed = true
        flushFolder(of: path)
    }

    /// Where a file is until it is whole: a name of this process alone, on a file system that several hosts share, too.
    public static func aside(_ path: String) -> String {
        var system = utsname()
        uname(&system)
        let host = withUnsafeBytes(of: &system.nodename) { String(decoding: $0.prefix { $0 != 0 }, as: UTF8.self) }
        return "\(path).writing-\(host)-\(getpid())"
    }

    /// Makes a name that was just given survive a power cut.
    public static func flushFolder(of path: String) {
        let parent = (path as NSString).deletingLastPathComponent
        let folder = open(parent.isEmpty ? "." : parent, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard folder >= 0 else { return }
        fsync(folder)
        close(folder)
    }

    /// Writes text as UTF-8.
    public static func write(_ text: String, to path: String) throws(CheckpointError) {
        try write(path) { writer throws(CheckpointError) in
            try writer.write(Array(text.utf8))
        }
    }

    static func failure(_ path: String, _ what: String) -> CheckpointError {
        CheckpointError(
            file: path, found: "\(what) (\(String(cString: strerror(errno))))", expected: "to write it",
            hint: "check the folder's permissions and the free space")
    }
}

/// Buffered appending to a file that `AtomicFile` has open.
public final class FileDescriptorWriter {
    private let descriptor: Int32
    private let path: String
    private var buffer: [UInt8] = []

    init(descriptor: Int32, path: String) {
        self.descriptor = descriptor
        self.path = path
        buffer.reserveCapacity(1 << 20)
    }

    /// Appends bytes; they reach the file at the latest when it is finished.
    public func write(_ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
        if bytes.count < 1 << 16 {
            buffer.append(contentsOf: bytes)
            if buffer.count >= 1 << 20 - 1 << 16 { try flush() }
            return
        }
        try flush()
        try writeThrough(bytes)
    }

    /// The values' bytes as they are in memory (little-endian).
    public func write<Value>(_ values: [Value]) throws(CheckpointError) {
        try values.withUnsafeBytes { bytes in Result { () throws(CheckpointError) in try write(bytes) } }.get()
    }

    /// A value that the type a tensor is written as cannot hold.
    func outOfRange(_ value: Float, in tensor: String, _ type: String) -> CheckpointError {
        CheckpointError(
            file: path, item: tensor, found: "the value \(value), which \(type) has no number for",
            expected: "values within the range of the type", hint: "write bf16 or f32")
    }

    func flush() throws(CheckpointError) {
        let full = buffer
        buffer.removeAll(keepingCapacity: true)
        try full.withUnsafeBytes { bytes in Result { () throws(CheckpointError) in try writeThrough(bytes) } }.get()
    }

    private func writeThrough(_ bytes: UnsafeRawBufferPointer) throws(CheckpointError) {
        var done = 0
        while done < bytes.count {
            let count = Glibc.write(descriptor, bytes.baseAddress! + done, min(bytes.count - done, 1 << 30))
            if count < 0 {
                if errno == EINTR { continue }
                throw AtomicFile.failure(path, "cannot be written")
            }
            done += count
        }
    }
}
