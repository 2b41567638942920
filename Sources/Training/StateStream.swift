import Checkpoints

/// Writes state tensors on rank 0 as they come from the ranks that hold them.
///
/// The other ranks send everything, whether rank 0 can write it or not: after an error the rest must be drained.
final class StateStream {
    private let tensors: [StateTensor]
    private let transfer: StateTransfer
    /// Tensors taken so far.
    private var taken = 0

    init(_ tensors: [StateTensor], _ transfer: StateTransfer) {
        self.tensors = tensors
        self.transfer = transfer
    }

    /// Writes all tensors to a safetensors file.
    func write(to path: String) throws(CheckpointError) {
        var writer = SafetensorsWriter(metadata: ["kind": "moments"])
        for tensor in tensors {
            writer.add(tensor.name, shape: [transfer.count]) { file throws(CheckpointError) in
                try self.writeNext(to: file)
            }
        }
        try writer.write(to: path)
    }

    private func writeNext(to file: FileDescriptorWriter) throws(CheckpointError) {
        var failure: CheckpointError?
        taken += 1
        transfer.gather(tensors[taken - 1]) { values in
            guard failure == nil else { return }
            do throws(CheckpointError) { try file.write(UnsafeRawBufferPointer(values)) } catch { failure = error }
        }
        if let failure { throw failure }
    }

    /// Takes what has not been written.
    func drain() {
        for tensor in tensors[taken...] { transfer.gather(tensor) { _ in } }
        taken = tensors.count
    }
}
