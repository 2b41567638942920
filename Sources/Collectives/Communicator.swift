import Glibc

/// A group of ranks that work on one run. All methods are collective: every rank calls them in the same order.
///
/// Calls come from one thread at a time. A communication error ends the process group (see `MPICommunicator`), so the methods
/// do not throw: no rank can go on once another is gone.
public protocol Communicator: AnyObject {
    /// This process's number, `0 ..< size`.
    var rank: Int { get }
    /// Number of ranks.
    var size: Int { get }
    /// Name of the host this rank runs on.
    var hostName: String { get }
    /// How many ranks share memory: those of a host are neighbours. 1 if hosts have different numbers of ranks.
    var ranksPerNode: Int { get }

    /// Returns once every rank has called it.
    func barrier()

    /// Copies `bytes` of rank `root` into `bytes` of every other rank. The length must agree; any length.
    func broadcast(_ bytes: UnsafeMutableRawBufferPointer, root: Int)

    /// Every rank's `bytes` (lengths may differ), indexed by rank, on every rank.
    func allGather(_ bytes: [UInt8]) -> [[UInt8]]

    /// Point-to-point transfers with several peers at once, in chunks so that full-duplex links are filled. Each pair
    /// of ranks must agree on the lengths, and on the order where there are several transfers between them. Empty
    /// buffers are not sent. A transfer to oneself is a copy.
    func exchange(
        sends: [(peer: Int, bytes: UnsafeRawBufferPointer)],
        receives: [(peer: Int, bytes: UnsafeMutableRawBufferPointer)])

    /// The same, and instead of idling while transfers are on their way calls `meanwhile`, which does a small piece
    /// of other work (well under a millisecond; no communication). It may be called any number of times until it says
    /// `finished`, also never: what is left afterwards is the caller's to do.
    func exchange(
        sends: [(peer: Int, bytes: UnsafeRawBufferPointer)],
        receives: [(peer: Int, bytes: UnsafeMutableRawBufferPointer)],
        meanwhile: () -> PieceOfWork)

    /// Lets transfers that others wait for move on. Not collective; called now and then by a rank that does not
    /// communicate for a while.
    func progress()

    /// Memory that the ranks of a node share, zeroed at first; `byteCount` is the same on all. It stays until the
    /// communicator ends. Collective.
    func sharedMemory(byteCount: Int) -> UnsafeMutableRawPointer
}

/// What has become of a piece of work that was asked for.
public enum PieceOfWork: Equatable, Sendable {
    /// Done, and there may be more.
    case worked
    /// Another rank must do something first.
    case blocked
    /// This rank must compute something first.
    case gated
    /// Nothing is left.
    case finished
}

extension Communicator {
    /// The name that the system gives this host.
    public var hostName: String { localHostName() }

    /// 1: every rank for itself.
    public var ranksPerNode: Int { 1 }
    /// Nothing: for communicators whose transfers move by themselves.
    public func progress() {}

    /// The transfers alone: `meanwhile` is never called.
    public func exchange(
        sends: [(peer: Int, bytes: UnsafeRawBufferPointer)],
        receives: [(peer: Int, bytes: UnsafeMutableRawBufferPointer)],
        meanwhile: () -> PieceOfWork
    ) {
        exchange(sends: sends, receives: receives)
    }

    /// Rank `root`'s `bytes` on every rank.
    public func broadcast(_ bytes: [UInt8], root: Int = 0) -> [UInt8] {
        var length = UInt64(bytes.count)
        withUnsafeMutableBytes(of: &length) { broadcast($0, root: root) }
        var result = rank == root ? bytes : [UInt8](repeating: 0, count: Int(length))
        result.withUnsafeMutableBytes { broadcast($0, root: root) }
        return result
    }
}

/// The system's name of this host, without its domain.
func localHostName() -> String {
    var buffer = [CChar](repeating: 0, count: 256)
    guard gethostname(&buffer, buffer.count - 1) == 0 else { return "unknown-host" }
    let name = buffer.prefix { $0 != 0 && $0 != CChar(UInt8(ascii: ".")) }
    return String(decoding: name.map(UInt8.init(bitPattern:)), as: UTF8.self)
}
