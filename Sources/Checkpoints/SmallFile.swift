import Foundation
import Glibc

/// Reads files that are small by their nature: configurations, tokenizers, records of a run.
public enum SmallFile {
    /// Why a file was not read.
    public struct Problem: Error, Equatable {
        /// What is there instead of the file.
        public let found: String
        /// There is nothing at the path.
        public let isMissing: Bool

        init(_ found: String, isMissing: Bool = false) {
            self.found = found
            self.isMissing = isMissing
        }
    }

    /// Far more than the largest tokenizers have.
    static let maxBytes = 256 << 20

    /// The bytes of a regular file; never waits for a pipe, and never takes more memory than `maxBytes`.
    public static func read(_ path: String) throws(Problem) -> Data {
        let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
        guard descriptor >= 0 else {
            throw errno == ENOENT
                ? Problem("no such file", isMissing: true)
                : Problem("cannot be opened (\(String(cString: strerror(errno))))")
        }
        defer { close(descriptor) }
        var status = stat()
        guard fstat(descriptor, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
            throw Problem("not a regular file")
        }
        let count = Int(status.st_size)
        guard count <= maxBytes else { throw Problem("\(count) bytes, where at most \(maxBytes) are read") }
        var data = Data(count: count)
        var filled = 0
        while filled < count {
            let got = data.withUnsafeMutableBytes {
                Glibc.read(descriptor, $0.baseAddress.map { $0 + filled }, count - filled)
            }
            if got < 0, errno == EINTR { continue }
            guard got >= 0 else { throw Problem("cannot be read (\(String(cString: strerror(errno))))") }
            if got == 0 { break }  // shorter by now
            filled += got
        }
        return data.prefix(filled)
    }

    /// A JSON document of a small file.
    /// - Throws: also for what is not one, with its place.
    public static func readJSON(_ path: String) throws(Problem) -> Data {
        let data = try read(path)
        if let fault = JSONSyntax.fault(in: data) { throw Problem("not JSON: \(fault)") }
        return data
    }
}
