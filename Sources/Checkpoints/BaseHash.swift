import Crypto
import Foundation

/// SHA-256 of what a model computes: its configuration and its fp32 tensors in Hugging Face order. A GGUF file and a
/// Hugging Face directory of the same weights have the same hash, so they share masks and adapters.
public enum BaseHash {
    /// 64 hexadecimal digits. Reads every weight once.
    public static func compute(configuration: String, tensors: [FloatTensor]) -> String {
        var hash = SHA256()
        hash.update(data: Data(configuration.utf8))
        for tensor in tensors {
            hash.update(data: Data("\n\(tensor.name) \(tensor.shape)\n".utf8))
            tensor.forEachPart { hash.update(bufferPointer: UnsafeRawBufferPointer($0)) }
        }
        return hash.finalize().hex
    }

    /// The hash from the cache in `folder`, or computed and put there. The cache is keyed by the files' paths, sizes
    /// and modification times; it is only an aid: where it cannot be read or written, nothing is lost.
    public static func cached(
        in folder: String, files: [String], configuration: String, tensors: [FloatTensor]
    ) -> String {
        guard let key = cacheKey(files: files, configuration) else {
            return compute(configuration: configuration, tensors: tensors)
        }
        let path = "\(folder)/base-hash-\(key)"
        if let known = try? String(contentsOfFile: path, encoding: .utf8), known.count == 64 { return known }
        let hash = compute(configuration: configuration, tensors: tensors)
        try? FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        try? AtomicFile.write(hash, to: path)
        return hash
    }

    /// 32 hexadecimal digits that change with the files' paths, sizes, modification times or inodes, or with `salt`; nil
    /// if a file is gone.
    static func cacheKey(files: [String], _ salt: String) -> String? {
        var key = SHA256()
        key.update(data: Data(salt.utf8))
        for file in files {
            var status = stat()
            guard stat(file, &status) == 0 else { return nil }
            let path = URL(fileURLWithPath: file).standardizedFileURL.path
            let facts =
                "\n\(path) \(status.st_size) \(status.st_mtim.tv_sec) \(status.st_mtim.tv_nsec) \(status.st_ino)"
            key.update(data: Data(facts.utf8))
        }
        return String(key.finalize().hex.prefix(32))
    }

    /// SHA-256 of a file's bytes.
    public static func ofFile(_ path: String) throws(CheckpointError) -> String {
        let file = try MappedFile(path: path)
        var hash = SHA256()
        withExtendedLifetime(file) {
            hash.update(bufferPointer: UnsafeRawBufferPointer(start: file.base, count: file.byteCount))
        }
        return hash.finalize().hex
    }

    /// SHA-256 of bytes in memory.
    public static func ofBytes(_ bytes: [UInt8]) -> String { SHA256.hash(data: bytes).hex }
}

extension Sequence where Element == UInt8 {
    var hex: String {
        let digits = Array("0123456789abcdef")
        return String(flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] })
    }
}
