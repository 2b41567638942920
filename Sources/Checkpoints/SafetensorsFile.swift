import Foundation
import Kernels

/// One safetensors file: a JSON header, then the tensors' bytes.
public final class SafetensorsFile: @unchecked Sendable {
    /// Where a tensor is and what it is made of.
    public struct Entry: Sendable, Equatable {
        /// Its element type as the file names it, for example `F32`.
        public let type: String
        /// Its sizes, slowest first.
        public let shape: [Int]
        /// Bytes of the tensor, relative to the file's start.
        public let bytes: Range<Int>
    }

    /// Where the file is.
    public let path: String
    /// Free-form strings of `__metadata__`.
    public let metadata: [String: String]
    /// Every tensor by name.
    public let entries: [String: Entry]
    private let file: MappedFile

    /// Maps the file and checks that every tensor lies inside it and has as many bytes as its shape needs.
    public init(path: String) throws(CheckpointError) {
        self.path = path
        file = try MappedFile(path: path)
        var reader = ByteReader(file)
        func failure(_ item: String?, _ found: String, _ expected: String) -> CheckpointError {
            CheckpointError(
                file: path, item: item, found: found, expected: expected,
                hint: "the file is damaged or not safetensors: download or convert it again")
        }
        let headerCount = try reader.integer(UInt64.self, "the header's length")
        guard headerCount <= 100 << 20 else {
            throw failure(nil, "a header of \(headerCount) bytes", "a safetensors file")
        }
        let bytes = try reader.bytes(headerCount, "the header")
        let dataStart = reader.offset
        do throws(JSONSyntax.Fault) { try JSONSyntax.check(bytes) } catch {
            throw failure("header", "\(error)", "a JSON object with every name once")
        }
        let header = Data(
            bytesNoCopy: UnsafeMutableRawPointer(mutating: bytes.baseAddress!), count: bytes.count, deallocator: .none)
        guard let object = try? JSONSerialization.jsonObject(with: header) as? [String: Any] else {
            throw failure("header", "not a JSON object", "a safetensors header")
        }
        var metadata: [String: String] = [:]
        var entries: [String: Entry] = [:]
        // In order of their names: every rank that reads a damaged file says the same of it.
        for (name, value) in object.sorted(by: { $0.key < $1.key }) {
            if name == "__metadata__" {
                guard let strings = value as? [String: String] else {
                    throw failure("__metadata__", "values that are not strings", "strings")
                }
                metadata = strings
                continue
            }
            guard let fields = value as? [String: Any], let type = fields["dtype"] as? String,
                let shape = Self.integers(fields["shape"]), let offsets = Self.integers(fields["data_offsets"]),
                offsets.count == 2
            else { throw failure(name, "an incomplete entry", "dtype, shape and data_offsets") }
            guard shape.allSatisfy({ $0 >= 0 }), offsets[0] >= 0, offsets[0] <= offsets[1],
                offsets[1] <= file.byteCount - dataStart
            else {
                throw failure(
                    name, "bytes \(offsets[0])..<\(offsets[1]) of \(file.byteCount - dataStart)",
                    "a range inside the file (is it truncated?)")
            }
            if let type = ElementType(rawValue: type) {
                var needed = type.byteCount
                for dimension in shape {
                    let (product, overflow) = needed.multipliedReportingOverflow(by: dimension)
                    guard !overflow else { throw failure(name, "shape \(shape)", "a tensor that fits in memory") }
                    needed = product
                }
                guard needed == offsets[1] - offsets[0] else {
                    throw failure(
                        name, "\(offsets[1] - offsets[0]) bytes", "\(needed) for shape \(shape) of \(type.rawValue)")
                }
            }
            entries[name] = Entry(type: type, shape: shape, bytes: dataStart + offsets[0]..<dataStart + offsets[1])
        }
        // Tensors are used in place, so two must not share bytes: training one would change the other.
        var end = dataStart
        for (name, entry) in entries.sorted(by: {
            ($0.value.bytes.lowerBound, $0.key) < ($1.value.bytes.lowerBound, $1.key)
        })
        where !entry.bytes.isEmpty {
            guard entry.bytes.lowerBound >= end else {
                throw failure(name, "bytes that belong to another tensor, too", "tensors that do not overlap")
            }
            end = entry.bytes.upperBound
        }
        self.metadata = metadata
        self.entries = entries
    }

    /// A weight as fp32: in place where the file holds aligned F32, otherwise widened into new memory.
    ///
    /// - Parameters:
    ///   - name: of the tensor in the file.
    ///   - shape: what the model needs; nil takes what the file has.
    public func floats(_ name: String, shape: [Int]? = nil) throws(CheckpointError) -> FloatTensor {
        let entry = try self.entry(name, shape: shape)
        let source = file.base + entry.bytes.lowerBound
        guard let type = ElementType(rawValue: entry.type), type != .float64, type != .int32 else {
            throw CheckpointError(
                file: path, item: name, found: "element type \(entry.type)", expected: "F32, F16 or BF16",
                hint: "convert the model (for example torch_dtype=float32 and save_pretrained)")
        }
        // Sizes of known types were checked against the file, so the product cannot overflow.
        let count = entry.shape.reduce(1, *)
        if type == .float32, UInt(bitPattern: source) % 4 == 0 {
            return FloatTensor(
                name: name, shape: entry.shape, pointer: source.bindMemory(to: Float.self, capacity: count), owner: file
            )
        }
        let storage = TensorStorage(count: count)
        switch type {
        case .float32: UnsafeMutableRawPointer(storage.pointer).copyMemory(from: source, byteCount: 4 * count)
        case .float16: widenFloat16(source, storage.pointer, count: count)
        case .bfloat16: widenBFloat16(source, storage.pointer, count: count)
        case .float64, .int32: preconditionFailure("refused above")
        }
        return FloatTensor(name: name, shape: entry.shape, pointer: storage.pointer, owner: storage)
    }

    /// A matrix's rows, widened to fp32 when they are asked for.
    /// - Throws: as `floats`.
    public func rows(_ name: String, shape: [Int]) throws(CheckpointError) -> any RowSource {
        let entry = try self.entry(name, shape: shape)
        guard let type = ElementType(rawValue: entry.type), type == .float16 || type == .bfloat16,
            let columns = shape.last
        else { return try floats(name, shape: shape) }
        return WidenedRows(
            file: file, start: file.base + entry.bytes.lowerBound, isBFloat16: type == .bfloat16, columns: columns,
            count: shape.reduce(1, *))
    }

    /// A weight that the file holds as BF16, in place where it is aligned; nil where the file holds another type.
    public func half(_ name: String, shape: [Int]) throws(CheckpointError) -> HalfTensor? {
        let entry = try self.entry(name, shape: shape)
        guard ElementType(rawValue: entry.type) == .bfloat16 else { return nil }
        let source = file.base + entry.bytes.lowerBound
        let count = shape.reduce(1, *)
        guard UInt(bitPattern: source) % 2 == 0 else {
            let storage = TensorStorage(count: (count + 1) / 2)
            UnsafeMutableRawPointer(storage.pointer).copyMemory(from: source, byteCount: 2 * count)
            return HalfTensor(
                pointer: UnsafeMutableRawPointer(storage.pointer).bindMemory(to: BFloat16Bits.self, capacity: count),
                count: count, owner: storage)
        }
        return HalfTensor(pointer: source.bindMemory(to: BFloat16Bits.self, capacity: count), count: count, owner: file)
    }

    /// Row numbers, counts and the like, stored as I32.
    public func integers(_ name: String) throws(CheckpointError) -> [Int32] {
        try values(name, .int32) { Int32(bitPattern: UInt32(littleEndian: $0.loadUnaligned(as: UInt32.self))) }
    }

    /// Scores, stored as F64.
    public func doubles(_ name: String) throws(CheckpointError) -> [Double] {
        try values(name, .float64) { Double(bitPattern: UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self))) }
    }

    private static func integers(_ value: Any?) -> [Int]? {
        guard let list = value as? [Any] else { return nil }
        let integers = list.compactMap { ConfigurationFile.integer($0) }
        return integers.count == list.count ? integers : nil
    }

    private func values<T>(_ name: String, _ type: ElementType, _ load: (UnsafeRawPointer) -> T)
        throws(CheckpointError) -> [T]
    {
        let entry = try self.entry(name, shape: nil)
        guard entry.type == type.rawValue else {
            throw CheckpointError(
                file: path, item: name, found: "element type \(entry.type)", expected: type.rawValue,
                hint: "the file was not written by neft, or is damaged")
        }
        return stride(from: entry.bytes.lowerBound, to: entry.bytes.upperBound, by: type.byteCount).map {
            load(file.base + $0)
        }
    }

    private func entry(_ name: String, shape: [Int]?) throws(CheckpointError) -> Entry {
        guard let entry = entries[name] else {
            throw CheckpointError(
                file: path, item: name, found: "no such tensor", expected: shape.map { "shape \($0)" } ?? "it",
                hint: "the file is incomplete or belongs to another model")
        }
        if let shape, entry.shape != shape {
            throw CheckpointError(
                file: path, item: name, found: "shape \(entry.shape)", expected: "\(shape)",
                hint: "config.json and weights do not belong together, or the file is damaged")
        }
        return entry
    }
}

/// Rows of a tensor that a safetensors file holds as F16 or BF16.
private struct WidenedRows: RowSource, @unchecked Sendable {
    let file: MappedFile
    let start: UnsafeMutableRawPointer
    let isBFloat16: Bool
    let columns: Int
    /// Values of all rows.
    let count: Int

    func read(row: Int, into values: UnsafeMutablePointer<Float>) {
        let source = start + row * columns * 2
        if isBFloat16 {
            widenBFloat16(source, values, count: columns)
        } else {
            widenFloat16(source, values, count: columns)
        }
    }

    func release() { file.release(UnsafeRawBufferPointer(start: start, count: count * 2)) }
}
