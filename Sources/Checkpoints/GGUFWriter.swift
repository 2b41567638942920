import Kernels

/// Writes GGUF files of version 3, tensor by tensor. The bytes depend on the content alone.
public struct GGUFWriter {
    /// A metadata value, with its type in the file.
    public enum Value: Sendable, Equatable {
        /// An unsigned whole number.
        case uint32(UInt32)
        /// A number.
        case float32(Float)
        /// True or false.
        case bool(Bool)
        /// A text.
        case string(String)
        /// A list of texts.
        case strings([String])
        /// A list of signed whole numbers.
        case integers([Int32])
        /// A list of numbers.
        case floats([Float])
    }

    private struct Tensor {
        let name: String
        let shape: [Int]
        let type: GGUFElement
        let byteCount: Int
        let write: (FileDescriptorWriter) throws(CheckpointError) -> Void
    }

    private var values: [(key: String, bytes: [UInt8])] = []
    private var tensors: [Tensor] = []
    private var alignment = 32

    /// An empty file.
    public init() {}

    /// Appends a metadata value, or replaces the one of the same key where it is.
    public mutating func set(_ key: String, _ value: Value) { set(key, Self.bytes(of: value)) }

    private mutating func set(_ key: String, _ bytes: [UInt8]) {
        if let index = values.firstIndex(where: { $0.key == key }) {
            values[index].bytes = bytes
        } else {
            values.append((key, bytes))
        }
    }

    /// Appends every metadata value of a file, as it is there.
    public mutating func copyMetadata(of file: GGUFFile) {
        withExtendedLifetime(file) {
            for (key, bytes) in file.metadataBytes { set(key, Array(bytes)) }
        }
        alignment = file.alignment
    }

    /// Appends a tensor, `[out, in]`, that is read row by row while the file is written.
    /// `type`: one of `GGUFElement.writable`; rows are whole blocks of it.
    /// `read`: puts row `row` of the file into `values` `[in]`.
    public mutating func add(
        _ name: String, shape: [Int], type: GGUFElement,
        read: @escaping (_ row: Int, _ values: UnsafeMutablePointer<Float>) throws(CheckpointError) -> Void
    ) {
        let columns = shape.last ?? 1
        let rows = shape.dropLast().reduce(1, *)
        append(name, shape, type) { writer throws(CheckpointError) in
            let values = TensorStorage(count: columns)
            let bytes = TensorStorage(count: columns)
            let byteCount = columns / type.blockSize * type.blockBytes
            for row in 0..<rows {
                try read(row, values.pointer)
                if let lost = type.quantise(values.pointer, bytes.pointer, count: columns) {
                    throw writer.outOfRange(lost, in: name, type.name)
                }
                try writer.write(UnsafeRawBufferPointer(start: bytes.pointer, count: byteCount))
            }
        }
    }

    /// Appends a tensor whose bytes are there already; they must stay valid until `write`.
    public mutating func add(_ name: String, shape: [Int], type: GGUFElement, bytes: UnsafeRawBufferPointer) {
        append(name, shape, type) { writer throws(CheckpointError) in try writer.write(bytes) }
        precondition(bytes.count == tensors.last?.byteCount, "GGUFWriter: \(name)")
    }

    private mutating func append(
        _ name: String, _ shape: [Int], _ type: GGUFElement,
        _ write: @escaping (FileDescriptorWriter) throws(CheckpointError) -> Void
    ) {
        guard let byteCount = type.byteCount(shape: shape) else {
            preconditionFailure("GGUFWriter: \(name) \(shape) as \(type.name)")
        }
        tensors.append(Tensor(name: name, shape: shape, type: type, byteCount: byteCount, write: write))
    }

    /// Writes metadata and tensors in the order they were added, atomically.
    public func write(to path: String) throws(CheckpointError) {
        var header = GGUFFile.magic
        Self.append(UInt32(3), to: &header)
        Self.append(UInt64(tensors.count), to: &header)
        Self.append(UInt64(values.count), to: &header)
        for (key, bytes) in values {
            Self.append(key, to: &header)
            header += bytes
        }
        var offset = 0
        for tensor in tensors {
            Self.append(tensor.name, to: &header)
            Self.append(UInt32(tensor.shape.count), to: &header)
            for dimension in tensor.shape.reversed() { Self.append(UInt64(dimension), to: &header) }
            Self.append(tensor.type.rawValue, to: &header)
            Self.append(UInt64(offset), to: &header)
            offset += padded(tensor.byteCount)
        }
        header += padding(after: header.count)
        try AtomicFile.write(path) { writer throws(CheckpointError) in
            try writer.write(header)
            for tensor in tensors {
                try tensor.write(writer)
                try writer.write(padding(after: tensor.byteCount))
            }
        }
    }

    private func padded(_ count: Int) -> Int { (count + alignment - 1) / alignment * alignment }

    private func padding(after count: Int) -> [UInt8] { Array(repeating: 0, count: padded(count) - count) }

    /// Type and value, as they are in the file.
    private static func bytes(of value: Value) -> [UInt8] {
        var bytes: [UInt8] = []
        func array(_ type: UInt32, _ count: Int) {
            append(UInt32(9), to: &bytes)
            append(type, to: &bytes)
            append(UInt64(count), to: &bytes)
        }
        switch value {
        case .uint32(let value):
            append(UInt32(4), to: &bytes)
            append(value, to: &bytes)
        case .float32(let value):
            append(UInt32(6), to: &bytes)
            append(value.bitPattern, to: &bytes)
        case .bool(let value):
            append(UInt32(7), to: &bytes)
            bytes.append(value ? 1 : 0)
        case .string(let value):
            append(UInt32(8), to: &bytes)
            append(value, to: &bytes)
        case .strings(let values):
            array(8, values.count)
            for value in values { append(value, to: &bytes) }
        case .integers(let values):
            array(5, values.count)
            for value in values { append(UInt32(bitPattern: value), to: &bytes) }
        case .floats(let values):
            array(6, values.count)
            for value in values { append(value.bitPattern, to: &bytes) }
        }
        return bytes
    }

    private static func append(_ text: String, to bytes: inout [UInt8]) {
        append(UInt64(text.utf8.count), to: &bytes)
        bytes += text.utf8
    }

    private static func append<Number: FixedWidthInteger>(_ number: Number, to bytes: inout [UInt8]) {
        withUnsafeBytes(of: number.littleEndian) { bytes += $0 }
    }
}
