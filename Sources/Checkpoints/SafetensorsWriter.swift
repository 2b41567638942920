import CKernels
import Foundation
import Kernels

/// Writes safetensors files whose bytes depend on their content alone.
public struct SafetensorsWriter {
    /// A tensor to be written.
    public struct Tensor {
        let name: String
        let type: ElementType
        let shape: [Int]
        let write: (FileDescriptorWriter) throws(CheckpointError) -> Void
    }

    private var tensors: [Tensor] = []
    /// Sorted by key in the file.
    public var metadata: [String: String]

    /// A file with this metadata and no tensors yet.
    public init(metadata: [String: String] = [:]) { self.metadata = metadata }

    /// Appends a tensor; `parts` are laid end to end and must stay valid until `write`.
    public mutating func add(_ name: String, shape: [Int], parts: [UnsafeBufferPointer<Float>]) {
        precondition(parts.reduce(0) { $0 + $1.count } == shape.reduce(1, *), "SafetensorsWriter: \(name)")
        tensors.append(
            Tensor(name: name, type: .float32, shape: shape) { writer throws(CheckpointError) in
                for part in parts { try writer.write(UnsafeRawBufferPointer(part)) }
            })
    }

    /// Appends a tensor of fp32 values, row-major; they are copied.
    public mutating func add(_ name: String, floats: [Float], shape: [Int]) {
        add(name, .float32, floats, shape)
    }

    /// Appends a list of whole numbers; they are copied.
    public mutating func add(_ name: String, integers: [Int32]) { add(name, .int32, integers, [integers.count]) }

    /// Appends a list of double-precision values; they are copied.
    public mutating func add(_ name: String, doubles: [Double]) { add(name, .float64, doubles, [doubles.count]) }

    private mutating func add<T>(_ name: String, _ type: ElementType, _ values: [T], _ shape: [Int]) {
        precondition(values.count == shape.reduce(1, *), "SafetensorsWriter: \(name)")
        tensors.append(
            Tensor(name: name, type: type, shape: shape) { writer throws(CheckpointError) in
                try writer.write(values)
            })
    }

    /// Appends a tensor whose values come while the file is written: `write` hands over exactly as many as `shape` says.
    public mutating func add(
        _ name: String, shape: [Int], write: @escaping (FileDescriptorWriter) throws(CheckpointError) -> Void
    ) {
        tensors.append(Tensor(name: name, type: .float32, shape: shape, write: write))
    }

    /// Appends a tensor that is read when it is written, as it is or rounded to bfloat16.
    public mutating func add(
        _ name: String, shape: [Int], as type: ElementType = .float32,
        reading: @escaping () throws(CheckpointError) -> FloatTensor
    ) {
        precondition(type == .float32 || type == .bfloat16, "SafetensorsWriter: \(name) as \(type)")
        tensors.append(
            Tensor(name: name, type: type, shape: shape) { writer throws(CheckpointError) in
                try reading().forEachPart { part throws(CheckpointError) in
                    if type == .float32 {
                        try writer.write(UnsafeRawBufferPointer(part))
                        return
                    }
                    // In pieces that take little memory.
                    for start in stride(from: 0, to: part.count, by: 1 << 20) {
                        let count = min(1 << 20, part.count - start)
                        var words = [BFloat16Bits](repeating: 0, count: count)
                        neft_bf16_from_floats(part.baseAddress! + start, &words, count)
                        try writer.write(words)
                    }
                }
            })
    }

    /// Appends a tensor, `[out, in]`, that is read row by row while the file is written.
    /// `type`: F32, F16 or BF16.
    /// `read`: puts row `row` into `values` `[in]`.
    public mutating func add(
        _ name: String, shape: [Int], as type: ElementType,
        read: @escaping (_ row: Int, _ values: UnsafeMutablePointer<Float>) throws(CheckpointError) -> Void
    ) {
        precondition(ElementType.weights.contains(type), "SafetensorsWriter: \(name) as \(type)")
        let columns = shape.last ?? 1
        let rows = shape.dropLast().reduce(1, *)
        tensors.append(
            Tensor(name: name, type: type, shape: shape) { writer throws(CheckpointError) in
                let values = TensorStorage(count: columns)
                let bytes = TensorStorage(count: columns)
                for row in 0..<rows {
                    try read(row, values.pointer)
                    if let lost = type.narrow(values.pointer, bytes.pointer, count: columns) {
                        throw writer.outOfRange(lost, in: name, type.rawValue)
                    }
                    try writer.write(UnsafeRawBufferPointer(start: bytes.pointer, count: columns * type.byteCount))
                }
            })
    }

    /// Bytes of the tensors that `write` would write.
    public var byteCount: Int { tensors.reduce(0) { $0 + $1.shape.reduce(1, *) * $1.type.byteCount } }

    /// Writes the file in the order of `add`, atomically.
    public func write(to path: String) throws(CheckpointError) {
        var header = "{"
        if !metadata.isEmpty {
            let pairs = metadata.sorted { $0.key < $1.key }.map {
                "\(JSONText.quoted($0.key)):\(JSONText.quoted($0.value))"
            }
            header += "\"__metadata__\":{\(pairs.joined(separator: ","))}"
        }
        var offset = 0
        for tensor in tensors {
            let byteCount = tensor.shape.reduce(1, *) * tensor.type.byteCount
            let shape = tensor.shape.map(String.init).joined(separator: ",")
            header += header.count > 1 ? "," : ""
            header += "\(JSONText.quoted(tensor.name)):{\"dtype\":\"\(tensor.type.rawValue)\",\"shape\":[\(shape)],"
            header += "\"data_offsets\":[\(offset),\(offset + byteCount)]}"
            offset += byteCount
        }
        header += "}"
        // Padded with spaces, so that the data begins at a multiple of 64 bytes.
        var bytes = Array(header.utf8)
        bytes += Array(repeating: 0x20, count: (64 - (8 + bytes.count) % 64) % 64)
        try AtomicFile.write(path) { writer throws(CheckpointError) in
            let length = (0..<8).map { UInt8(truncatingIfNeeded: bytes.count >> (8 * $0)) }
            try writer.write(length + bytes)
            for tensor in tensors { try tensor.write(writer) }
        }
    }
}
