import Glibc

/// A whole file mapped privately: reads share the page cache with every other process, a write copies the page for
/// this process alone and never reaches the file.
public final class MappedFile: @unchecked Sendable {
    /// Where the file is.
    public let path: String
    /// Its length when it was mapped.
    public let byteCount: Int
    /// First byte; valid as long as this object lives. Page-aligned.
    public let base: UnsafeMutableRawPointer

    /// - Throws: when the file is missing, unreadable, not a regular file or empty.
    public init(path: String) throws(CheckpointError) {
        func failure(_ found: String, _ hint: String) -> CheckpointError {
            CheckpointError(file: path, found: found, expected: "a readable model file", hint: hint)
        }
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)  // a pipe must not make us wait
        guard descriptor >= 0 else {
            throw failure(
                "cannot be opened (\(String(cString: strerror(errno))))", "check the path and its permissions")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw failure("not a regular file", "check the path")
        }
        guard status.st_size > 0 else { throw failure("an empty file", "download or copy it again") }
        byteCount = Int(status.st_size)
        let pages = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_NORESERVE, descriptor, 0)
        guard let pages, pages != MAP_FAILED else {
            throw failure(
                "cannot be mapped (\(String(cString: strerror(errno))))", "check the memory limit (ulimit -v)")
        }
        self.path = path
        base = pages
    }

    /// Gives back the memory of pages that were read, until they are read again. What was written to them is lost.
    func release(_ bytes: UnsafeRawBufferPointer) {
        let page = Int(sysconf(Int32(_SC_PAGESIZE)))
        let start = UnsafeMutableRawPointer(mutating: bytes.baseAddress!).alignedUp(toMultipleOf: page)
        let end = UnsafeMutableRawPointer(mutating: bytes.baseAddress! + bytes.count).alignedDown(toMultipleOf: page)
        if start < end { madvise(start, end - start, MADV_DONTNEED) }
    }

    deinit { munmap(base, byteCount) }
}

/// Reads little-endian values one after another and never beyond the end.
struct ByteReader {
    let file: MappedFile
    private(set) var offset = 0

    init(_ file: MappedFile) { self.file = file }

    var remaining: Int { file.byteCount - offset }

    mutating func integer<T: FixedWidthInteger>(_ type: T.Type, _ what: String) throws(CheckpointError) -> T {
        let size = MemoryLayout<T>.size
        guard remaining >= size else { throw truncated(what) }
        defer { offset += size }
        return T(littleEndian: file.base.loadUnaligned(fromByteOffset: offset, as: T.self))
    }

    mutating func bytes(_ count: UInt64, _ what: String) throws(CheckpointError) -> UnsafeRawBufferPointer {
        guard count <= UInt64(remaining) else { throw truncated(what) }
        defer { offset += Int(count) }
        return UnsafeRawBufferPointer(start: file.base + offset, count: Int(count))
    }

    mutating func skip(_ count: Int) { offset += count }

    func truncated(_ what: String) -> CheckpointError {
        CheckpointError(
            file: file.path, found: "the file ends (\(file.byteCount) bytes) inside \(what)", expected: "a whole file",
            hint: "it is truncated or damaged: download or copy it again")
    }
}
