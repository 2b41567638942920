/// The only rank of a run without MPI.
public final class LocalCommunicator: Communicator {
    /// The only one.
    public let rank = 0
    /// One rank.
    public let size = 1

    private var memory: [UnsafeMutableRawBufferPointer] = []

    /// Needs nothing of MPI.
    public init() {}

    deinit { memory.forEach { $0.deallocate() } }

    /// Zeroed memory of this process, 64-byte aligned.
    public func sharedMemory(byteCount: Int) -> UnsafeMutableRawPointer {
        let bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: max(byteCount, 1), alignment: 64)
        bytes.initializeMemory(as: UInt8.self, repeating: 0)
        memory.append(bytes)
        return bytes.baseAddress!
    }

    /// Returns at once.
    public func barrier() {}
    /// Changes nothing.
    public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) {}
    /// Its own bytes.
    public func allGather(_ bytes: [UInt8]) -> [[UInt8]] { [bytes] }
    /// Copies to itself.
    public func exchange(
        sends: [(peer: Int, bytes: UnsafeRawBufferPointer)],
        receives: [(peer: Int, bytes: UnsafeMutableRawBufferPointer)]
    ) {
        precondition(sends.count == receives.count, "LocalCommunicator: unmatched transfer")
        for (send, receive) in zip(sends, receives) {
            precondition(send.bytes.count == receive.bytes.count, "LocalCommunicator: unmatched length")
            receive.bytes.copyMemory(from: send.bytes)
        }
    }
}
