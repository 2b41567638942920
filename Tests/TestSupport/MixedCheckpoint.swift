import Checkpoints
import Foundation
import Kernels

/// Writes a safetensors file whose tensors have these types in turn: `F32`, `F16` and `BF16`, which cuts values.
public func writeCheckpoint(_ tensors: [FloatTensor], types: [String], to path: String) throws {
    var (header, data) = ([String: Any](), Data())
    for (number, tensor) in tensors.enumerated() {
        let (type, start) = (types[number % types.count], data.count)
        for value in tensor.values {
            switch type {
            case "F16": withUnsafeBytes(of: Float16(value).bitPattern) { data.append(contentsOf: $0) }
            case "BF16": withUnsafeBytes(of: UInt16(value.bitPattern >> 16)) { data.append(contentsOf: $0) }
            default: withUnsafeBytes(of: value) { data.append(contentsOf: $0) }
            }
        }
        header[tensor.name] = ["dtype": type, "shape": tensor.shape, "data_offsets": [start, data.count]]
    }
    let text = try JSONSerialization.data(withJSONObject: header)
    let length = withUnsafeBytes(of: UInt64(text.count)) { Data($0) }
    try (length + text + data).write(to: URL(fileURLWithPath: path), options: .atomic)
}
