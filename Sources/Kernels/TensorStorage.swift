import Glibc

/// Owned, 64-byte aligned, zero-filled memory for floats. Freed when the last reference goes.
///
/// The pages come from the kernel already zeroed and are only made resident when they are first written,
/// so an arena sized for the largest batch costs nothing until it is used. Large ones ask for pages of 2 MB where the
/// system gives them on request: a product reads many rows at once, and with pages of 4 KB it would wait for addresses.
public final class TensorStorage: @unchecked Sendable {
    /// Number of floats.
    public let count: Int
    /// First float; valid as long as this object lives.
    public let pointer: UnsafeMutablePointer<Float>
    private let pages: UnsafeMutableRawPointer
    private let byteCount: Int
    private static let hugePage = 2 << 20

    /// - Parameters:
    ///   - count: number of floats, at least 0.
    ///   - isSparse: little of it will ever be written: small pages, and no memory set aside for the rest.
    public init(count: Int, isSparse: Bool = false) {
        precondition(count >= 0, "TensorStorage: negative count \(count)")
        self.count = count
        let needed = max(count, 1) * MemoryLayout<Float>.stride
        let isLarge = needed >= Self.hugePage && !isSparse
        byteCount = isLarge ? needed + Self.hugePage : needed
        let pages = mmap(
            nil, byteCount, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | (isSparse ? MAP_NORESERVE : 0), -1, 0)
        guard let pages, pages != MAP_FAILED else {
            fatalError("out of memory: \(needed) bytes for a tensor were refused by the system")
        }
        self.pages = pages
        let start = isLarge ? pages.alignedUp(toMultipleOf: Self.hugePage) : pages
        if isLarge { madvise(start, needed, MADV_HUGEPAGE) }
        pointer = start.bindMemory(to: Float.self, capacity: max(count, 1))
    }

    deinit { munmap(pages, byteCount) }

    /// All floats as a buffer; valid as long as this object lives.
    public var buffer: UnsafeMutableBufferPointer<Float> { .init(start: pointer, count: count) }
}
