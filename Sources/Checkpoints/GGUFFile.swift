import Glibc
import Kernels

/// A GGUF file (versions 2 and 3): metadata, and tensors in the order and element types of the file.
public final class GGUFFile: @unchecked Sendable {
    /// Where a tensor is and what it is made of.
    public struct Entry: Sendable {
        /// Its name in the file, for example `blk.0.attn_q.weight`.
        public let name: String
        /// GGUF's number of its element type.
        public let type: UInt32
        /// `[out, in]`: the file's dimensions, slowest first.
        public let shape: [Int]
        let offset: Int
    }

    /// Where the file is.
    public let path: String
    /// Every metadata value by its key, for example `general.architecture`.
    public let metadata: [String: GGUFValue]
    /// Every tensor by its name in the file.
    public let entries: [String: Entry]
    /// Where tensors begin is a multiple of it.
    let alignment: Int
    /// The metadata as they are in the file, in its order: type and value of each key.
    let metadataBytes: [(key: String, bytes: UnsafeRawBufferPointer)]
    private let file: MappedFile

    /// Bytes every GGUF file starts with.
    public static let magic: [UInt8] = Array("GGUF".utf8)

    /// Maps the file and reads its header; throws for what is no GGUF file, damaged, cut off or one of several parts.
    public init(path: String) throws(CheckpointError) {
        self.path = path
        file = try MappedFile(path: path)
        var reader = ByteReader(file)
        func failure(_ item: String?, _ found: String, _ expected: String) -> CheckpointError {
            CheckpointError(
                file: path, item: item, found: found, expected: expected,
                hint: "the file is damaged or of an unknown kind: download or convert it again")
        }
        func name(_ what: String) throws(CheckpointError) -> String {
            let name = try GGUFValue.string(&reader, what)
            guard !name.isEmpty else { throw failure(nil, "\(what) that is empty", "a name") }
            return name
        }
        let magic = try reader.bytes(4, "the magic number")
        guard Array(magic) == Self.magic else {
            throw failure(nil, "starts with bytes \(Array(magic))", "a GGUF file, which starts with \"GGUF\"")
        }
        let version = try reader.integer(UInt32.self, "the version")
        guard version == 2 || version == 3 else { throw failure(nil, "GGUF version \(version)", "version 2 or 3") }
        let tensorCount = try reader.integer(UInt64.self, "the header")
        let valueCount = try reader.integer(UInt64.self, "the header")
        var metadata: [String: GGUFValue] = [:]
        var metadataBytes: [(key: String, bytes: UnsafeRawBufferPointer)] = []
        var elements = GGUFValue.maxElements
        for _ in 0..<valueCount {
            let key = try name("a metadata key")
            let start = reader.offset
            let type = try reader.integer(UInt32.self, key)
            let value = try GGUFValue(&reader, type: type, key: key, depth: 0, elements: &elements)
            guard metadata.updateValue(value, forKey: key) == nil else {
                throw failure(key, "a key that is there twice", "each key once")
            }
            metadataBytes.append((key, UnsafeRawBufferPointer(start: file.base + start, count: reader.offset - start)))
        }
        try Self.checkWhole(metadata, path)
        var heads: [(name: String, type: UInt32, shape: [Int], offset: UInt64)] = []
        for _ in 0..<tensorCount {
            let name = try name("a tensor's name")
            let rank = try reader.integer(UInt32.self, name)
            guard rank >= 1, rank <= 4 else { throw failure(name, "\(rank) dimensions", "1 to 4") }
            var shape: [Int] = []
            for _ in 0..<rank {
                let dimension = try reader.integer(UInt64.self, name)
                guard dimension >= 1, dimension <= 1 << 40 else {
                    throw failure(name, "a dimension of \(dimension)", "a real shape")
                }
                shape.insert(Int(dimension), at: 0)
            }
            guard shape.reduce(1.0, { $0 * Double($1) }) < 1e15 else {
                throw failure(name, "shape \(shape)", "a real shape")
            }
            let type = try reader.integer(UInt32.self, name)
            heads.append((name, type, shape, try reader.integer(UInt64.self, name)))
        }
        var alignment = 32
        if let stated = metadata["general.alignment"] {
            guard let value = stated.integer, value > 0, value <= 1 << 20, value & (value - 1) == 0 else {
                throw failure("general.alignment", "\(stated)", "a power of two")
            }
            alignment = value
        }
        let dataStart = (reader.offset + alignment - 1) / alignment * alignment
        var entries: [String: Entry] = [:]
        for head in heads {
            guard head.offset <= UInt64(file.byteCount), dataStart + Int(head.offset) <= file.byteCount else {
                throw failure(
                    head.name, "data at byte \(head.offset) of a file of \(file.byteCount) bytes",
                    "a place inside the file (is it truncated?)")
            }
            let entry = Entry(
                name: head.name, type: head.type, shape: head.shape, offset: dataStart + Int(head.offset))
            guard entries.updateValue(entry, forKey: head.name) == nil else {
                throw failure(head.name, "a tensor that is there twice", "each name once")
            }
        }
        self.metadata = metadata
        self.metadataBytes = metadataBytes
        self.alignment = alignment
        self.entries = entries
    }

    /// Refuses a part of a model that `llama-gguf-split` has split: the other tensors are in other files.
    private static func checkWhole(_ metadata: [String: GGUFValue], _ path: String) throws(CheckpointError) {
        guard let count = metadata["split.count"]?.integer, count > 1 else { return }
        // From 0 in the file, from 1 in the names of the parts.
        let number = metadata["split.no"]?.integer.map { $0 &+ 1 }
        throw CheckpointError(
            file: path, item: "split.count",
            found: number.map { "part \($0) of \(count) of a model" } ?? "one of \(count) parts of a model",
            expected: "a model in one file",
            hint: "merge the parts with: llama-gguf-split --merge FIRST OUT.gguf (FIRST is the name of part 1)")
    }

    /// A tensor's bytes as they are in the file, valid as long as this object lives; nil where the file holds another
    /// type or shape, or not all of them.
    public func bytes(_ name: String, type: GGUFElement, shape: [Int]) -> UnsafeRawBufferPointer? {
        guard let entry = entries[name], entry.type == type.rawValue, entry.shape == shape,
            let count = type.byteCount(shape: shape), count <= file.byteCount - entry.offset
        else { return nil }
        return UnsafeRawBufferPointer(start: file.base + entry.offset, count: count)
    }

    /// A tensor dequantised to fp32, `[out, in]`.
    ///
    /// - Parameters:
    ///   - name: the file's name for it.
    ///   - hfName: the result's name.
    ///   - shape: what the model needs.
    ///   - rowOf: where row `i` of the file belongs in the result; nil keeps the order.
    public func floats(
        _ name: String, as hfName: String, shape: [Int], rowOf: ((Int) -> Int)? = nil
    ) throws(CheckpointError) -> FloatTensor {
        let rows = try self.rows(name, shape: shape, rowOf: rowOf)
        let storage = TensorStorage(count: shape.reduce(1, *))
        for row in 0..<rows.count { rows.read(row: row, into: storage.pointer + row * rows.columns) }
        return FloatTensor(name: hfName, shape: shape, pointer: storage.pointer, owner: storage)
    }

    /// A tensor's rows, dequantised when they are asked for.
    ///
    /// - Parameters:
    ///   - name: the file's name for it.
    ///   - shape: what the model needs.
    ///   - rowOf: where row `i` of the file belongs in the result; nil keeps the order.
    public func rows(
        _ name: String, shape: [Int], rowOf: ((Int) -> Int)? = nil
    ) throws(CheckpointError) -> GGUFRows {
        func failure(_ found: String, _ expected: String, _ hint: String) -> CheckpointError {
            CheckpointError(file: path, item: name, found: found, expected: expected, hint: hint)
        }
        guard let entry = entries[name] else {
            throw failure("no such tensor", "shape \(shape)", "the file is incomplete or of another architecture")
        }
        guard entry.shape == shape else {
            throw failure("shape \(entry.shape)", "\(shape)", "metadata and tensors do not belong together")
        }
        guard let type = GGUFElement(rawValue: entry.type) else {
            let known = GGUFElement.allCases.map(\.name).joined(separator: ", ")
            throw failure(
                "element type \(GGUFElement.nameOfUnsupported(entry.type))", known,
                "convert the model to one of these types, or use its Hugging Face directory")
        }
        let columns = shape.last ?? 1
        let rows = shape.dropLast().reduce(1, *)
        guard columns % type.blockSize == 0 else {
            throw failure(
                "rows of \(columns) values", "a multiple of \(type.blockSize) for \(type.name)", "the file is damaged")
        }
        let rowBytes = columns / type.blockSize * type.blockBytes
        let (needed, overflow) = rows.multipliedReportingOverflow(by: rowBytes)
        guard !overflow, needed <= file.byteCount - entry.offset else {
            throw failure(
                "\(file.byteCount - entry.offset) bytes left in the file", "\(overflow ? "more" : "\(needed)") bytes",
                "the file is truncated: download or copy it again")
        }
        var places: [Int]?
        if let rowOf {
            var inFile = Array(repeating: 0, count: rows)
            for row in 0..<rows { inFile[rowOf(row)] = row }
            places = inFile
        }
        return GGUFRows(
            file: file, start: file.base + entry.offset, type: type, count: rows, columns: columns, rowBytes: rowBytes,
            places: places)
    }
}

/// Rows of a tensor in a GGUF file.
public struct GGUFRows: RowSource, @unchecked Sendable {
    let file: MappedFile
    let start: UnsafeMutableRawPointer
    let type: GGUFElement
    /// Number of rows.
    public let count: Int
    /// Values of a row.
    public let columns: Int
    let rowBytes: Int
    /// Which row of the file each row is; nil where the order is the same.
    let places: [Int]?

    /// Dequantises a row.
    public func read(row: Int, into values: UnsafeMutablePointer<Float>) {
        type.dequantise(start + (places?[row] ?? row) * rowBytes, values, count: columns)
    }

    /// Gives back the pages of the file.
    public func release() { file.release(UnsafeRawBufferPointer(start: start, count: count * rowBytes)) }
}
