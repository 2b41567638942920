import CKernels
import Kernels

/// The rows of a weight as the checkpoint holds it, widened to fp32 when they are asked for.
public protocol RowSource: Sendable {
    /// Puts row `row` into `values` `[columns]`. Several threads may do so at once.
    func read(row: Int, into values: UnsafeMutablePointer<Float>)
    /// Gives back memory that holds what was read, as far as it can be read again.
    func release()
}

/// A named weight in memory: fp32 values, and where products are computed in bfloat16 a rounded copy of them.
///
/// Both are pages of a mapped file, used in place, or storage of this process. Writing changes this process's private
/// copy only (copy on write), never the file.
public final class FloatTensor: @unchecked Sendable {
    /// Hugging Face name, for example `model.layers.0.self_attn.q_proj.weight`.
    public let name: String
    /// Row-major, Hugging Face order: `[out, in]` for a projection.
    public let shape: [Int]
    /// First of `count` floats; valid as long as this object lives. Where products are computed in bfloat16, a row's
    /// floats are there once `materialise` was called for it, and zero before.
    public let pointer: UnsafeMutablePointer<Float>
    /// Keeps the memory alive: a file mapping or a `TensorStorage`.
    private let owner: AnyObject
    /// The bfloat16 values that products read.
    public let half: HalfTensor?
    /// Where `half` is a rounded copy: what it was rounded from.
    private let exact: (any RowSource)?
    /// Rows whose floats are in place; nil where all of them are.
    private var materialised: [Bool]?

    /// A view of `shape.reduce(1, *)` floats, row-major, that `owner` keeps alive.
    public init(name: String, shape: [Int], pointer: UnsafeMutablePointer<Float>, owner: AnyObject) {
        self.name = name
        self.shape = shape
        self.pointer = pointer
        self.owner = owner
        half = nil
        exact = nil
    }

    /// A tensor for products in bfloat16. Its floats take addresses, but memory only as rows are materialised.
    /// - Parameters:
    ///   - name: in Hugging Face checkpoints.
    ///   - shape: sizes, slowest first.
    ///   - half: the values in bfloat16, as many as `shape` says.
    ///   - exact: of the same shape, where `half` was rounded from it: what rows begin with.
    public init(name: String, shape: [Int], half: HalfTensor, exact: (any RowSource)? = nil) {
        let storage = TensorStorage(count: shape.reduce(1, *), isSparse: true)
        self.name = name
        self.shape = shape
        self.half = half
        self.exact = exact
        pointer = storage.pointer
        owner = storage
        materialised = Array(repeating: false, count: shape.count > 1 ? shape[0] : 1)
    }

    /// Number of floats.
    public var count: Int { shape.reduce(1, *) }
    /// Rows of the matrix; 1 for a vector.
    public var rows: Int { shape.count > 1 ? shape[0] : 1 }
    /// Floats per row.
    public var columns: Int { shape.last ?? 1 }
    /// All floats, which must be in place; valid only as long as this object lives.
    public var buffer: UnsafeMutableBufferPointer<Float> {
        precondition(materialised == nil, "\(name): only some rows are in memory as floats")
        return .init(start: pointer, count: count)
    }
    /// A copy of all floats.
    public var values: [Float] {
        var all: [Float] = []
        all.reserveCapacity(count)
        forEachPart { all.append(contentsOf: $0) }
        return all
    }

    /// Puts rows' floats in place, once: what is there already, perhaps changed by now, stays.
    /// - Parameter rows: nil for all.
    public func materialise(_ rows: [Int32]?) {
        guard materialised != nil else { return }
        for row in rows ?? (0..<Int32(self.rows)).map({ $0 }) where materialised?[Int(row)] == false {
            readOriginal(row: Int(row), into: pointer + Int(row) * columns)
            materialised?[Int(row)] = true
        }
        if rows == nil { materialised = nil }
        exact?.release()
    }

    /// Puts one row into `values` `[columns]`, whether its floats are in place or not.
    public func copyRow(_ row: Int, to values: UnsafeMutablePointer<Float>) {
        if materialised?[row] == false {
            readOriginal(row: row, into: values)
        } else {
            values.update(from: pointer + row * columns, count: columns)
        }
    }

    /// Where a row's `[columns]` floats are: in place, or in `scratch` `[columns]`, into which they are put then. Several
    /// threads may ask at once.
    public func row(_ row: Int, scratch: UnsafeMutablePointer<Float>) -> UnsafePointer<Float> {
        guard materialised?[row] == false else { return UnsafePointer(pointer + row * columns) }
        readOriginal(row: row, into: scratch)
        return UnsafePointer(scratch)
    }

    /// Gives back memory of what `row` and `copyRow` have read, as far as it can be read again.
    public func releaseOriginals() { exact?.release() }

    /// The values that a row had before it was materialised.
    private func readOriginal(row: Int, into values: UnsafeMutablePointer<Float>) {
        if let exact {
            exact.read(row: row, into: values)
        } else if let half {
            neft_bf16_to_floats(half.pointer + row * columns, values, columns)
        }
    }

    /// Rounds floats that have changed into the copy that products read.
    public func publish(_ range: Range<Int>) {
        guard let half else { return }
        neft_bf16_from_floats(pointer + range.lowerBound, half.pointer + range.lowerBound, range.count)
    }

    /// All values in order, in parts of whole rows.
    public func forEachPart<Failure: Error>(
        _ body: (UnsafeBufferPointer<Float>) throws(Failure) -> Void
    ) throws(Failure) {
        guard let materialised else {
            try body(UnsafeBufferPointer(start: pointer, count: count))
            return
        }
        let scratch = TensorStorage(count: columns)
        for (row, isThere) in materialised.enumerated() {
            if !isThere { readOriginal(row: row, into: scratch.pointer) }
            let start = isThere ? pointer + row * columns : scratch.pointer
            try body(UnsafeBufferPointer(start: start, count: columns))
        }
    }
}

/// Rows of a tensor whose floats are in place.
extension FloatTensor: RowSource {
    /// Copies a row.
    public func read(row: Int, into values: UnsafeMutablePointer<Float>) { copyRow(row, to: values) }

    /// Gives back the pages of a mapped file.
    public func release() {
        (owner as? MappedFile)?.release(UnsafeRawBufferPointer(UnsafeBufferPointer(start: pointer, count: count)))
    }
}

/// The values of a weight in bfloat16, row-major like the tensor they belong to.
public final class HalfTensor: @unchecked Sendable {
    /// First of `count` values' bits; valid as long as this object lives.
    public let pointer: UnsafeMutablePointer<BFloat16Bits>
    /// Number of values.
    public let count: Int
    private let owner: AnyObject

    /// A view of `count` values that `owner` keeps alive.
    public init(pointer: UnsafeMutablePointer<BFloat16Bits>, count: Int, owner: AnyObject) {
        self.pointer = pointer
        self.count = count
        self.owner = owner
    }

    /// Rounds a tensor's floats into memory of this process.
    public convenience init(rounding tensor: FloatTensor) {
        let storage = TensorStorage(count: (tensor.count + 1) / 2)
        let words = UnsafeMutableRawPointer(storage.pointer).bindMemory(to: BFloat16Bits.self, capacity: tensor.count)
        var next = words
        tensor.forEachPart { part in
            neft_bf16_from_floats(part.baseAddress!, next, part.count)
            next += part.count
        }
        self.init(pointer: words, count: tensor.count, owner: storage)
    }
}
