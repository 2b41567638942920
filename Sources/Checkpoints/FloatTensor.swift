import Kernels

/// A named fp32 tensor in memory: either pages of a mapped file, used in place, or storage of its own.
///
/// Writing changes this process's private copy only (copy on write), never the file.
public final class FloatTensor: @unchecked Sendable {
    /// Hugging Face name, for example `model.layers.0.self_attn.q_proj.weight`.
    public let name: String
    /// Row-major, Hugging Face order: `[out, in]` for a projection.
    public let shape: [Int]
    /// First of `count` floats; valid as long as this object lives.
    public let pointer: UnsafeMutablePointer<Float>
    /// Keeps the memory alive: a file mapping or a `TensorStorage`.
    private let owner: AnyObject

    public init(name: String, shape: [Int], pointer: UnsafeMutablePointer<Float>, owner: AnyObject) {
        self.name = name
        self.shape = shape
        self.pointer = pointer
        self.owner = owner
    }

    /// Number of floats.
    public var count: Int { shape.reduce(1, *) }
    /// Rows of the matrix; 1 for a vector.
    public var rows: Int { shape.count > 1 ? shape[0] : 1 }
    /// Floats per row.
    public var columns: Int { shape.last ?? 1 }
    /// All floats; valid only as long as this object lives.
    public var buffer: UnsafeMutableBufferPointer<Float> { .init(start: pointer, count: count) }
    /// A copy of all floats.
    public var values: [Float] { withExtendedLifetime(self) { Array(buffer) } }
}
