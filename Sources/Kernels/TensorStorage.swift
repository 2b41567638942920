import Glibc

/// Owned, 64-byte aligned, zero-filled memory for floats. Freed when the last reference goes.
///
/// The pages come from the kernel already zeroed and are only made resident when they are first written,
/// so an arena sized for the largest batch costs nothing until it is used.
public final class TensorStorage: @unchecked Sendable {
    /// Number of floats.
    public let count: Int
    /// First float; valid as long as this object lives.
    public let pointer: UnsafeMutablePointer<Float>
    private let byteCount: Int

    /// - Parameter count: number of floats, at least 0.
    public init(count: Int) {
        precondition(count >= 0, "TensorStorage: negative count \(count)")
        self.count = count
        byteCount = max(count, 1) * MemoryLayout<Float>.stride
        let pages = mmap(nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)
        guard let pages, pages != MAP_FAILED else {
            fatalError("out of memory: \(byteCount) bytes for a tensor were refused by the system")
        }
        pointer = pages.bindMemory(to: Float.self, capacity: max(count, 1))
    }

    deinit { munmap(pointer, byteCount) }

    /// All floats as a buffer; valid as long as this object lives.
    public var buffer: UnsafeMutableBufferPointer<Float> { .init(start: pointer, count: count) }
}
