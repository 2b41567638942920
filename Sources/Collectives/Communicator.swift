/// A group of ranks that work on one run. All methods are collective: every rank calls them in the same order.
///
/// Calls come from one thread. A communication error ends the process group (see `MPICommunicator`), so the methods
/// do not throw: no rank can go on once another is gone.
public protocol Communicator: AnyObject {
    /// This process's number, `0 ..< size`.
    var rank: Int { get }
    /// Number of ranks.
    var size: Int { get }

    /// Returns once every rank has called it.
    func barrier()

    /// Copies `bytes` of rank `root` into `bytes` of every other rank. The length must agree; any length.
    func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int)

    /// Every rank's `bytes` (lengths may differ), indexed by rank, on every rank.
    func allGather(_ bytes: [UInt8]) -> [[UInt8]]

    /// Point-to-point transfers with several peers at once, in chunks so that full-duplex links are filled. Each pair
    /// of ranks must agree on the lengths. Empty buffers are not sent. A transfer to oneself is a copy.
    func exchange(sends: [(peer: Int, bytes: UnsafeRawBufferPointer)],
                  receives: [(peer: Int, bytes: UnsafeMutableRawBufferPointer)])
}

/// The only rank of a run without MPI.
public final class LocalCommunicator: Communicator {
    public let rank = 0
    public let size = 1

    public init() {}

    public func barrier() {}
    public func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int) {}
    public func allGather(_ bytes: [UInt8]) -> [[UInt8]] { [bytes] }
    public func exchange(sends: [(peer: Int, bytes: UnsafeRawBufferPointer)],
                         receives: [(peer: Int, bytes: UnsafeMutableRawBufferPointer)]) {
        precondition(sends.count == receives.count, "LocalCommunicator: unmatched transfer")
        for (send, receive) in zip(sends, receives) { receive.bytes.copyMemory(from: send.bytes) }
    }
}

extension Communicator {
    /// Rank `root`'s `bytes` on every rank.
    public func broadcast(_ bytes: [UInt8], root: Int = 0) -> [UInt8] {
        var length = UInt64(bytes.count)
        withUnsafeMutableBytes(of: &length) { broadcast($0, root: root) }
        var result = rank == root ? bytes : [UInt8](repeating: 0, count: Int(length))
        result.withUnsafeMutableBytes { broadcast($0, root: root) }
        return result
    }
}
