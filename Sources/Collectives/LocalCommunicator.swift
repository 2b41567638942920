/// The only rank of a run without MPI.
public final class LocalCommunicator: Communicator {
    public let rank = 0
    public let size = 1

    public init() {}

    public func barrier() {}
    public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) {}
    public func allGather(_ bytes: [UInt8]) -> [[UInt8]] { [bytes] }
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
