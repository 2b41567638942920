import CKernels
import Kernels

/// Buffers of the ranks of a group in memory they share, in which a bucket's values are laid open to the others.
///
/// Each rank has two slots; rounds alternate. Rounds are numbered from 1 on, the same on all ranks. Two counters per
/// rank say how far it is: nothing here waits or communicates.
final class NodeMemory {
    /// This rank's number in its group.
    let localRank: Int
    let groupSize: Int
    private let slotValues: Int
    private let base: UnsafeMutableRawPointer
    private let slots: UnsafeMutablePointer<Float>

    private static let line = 64

    /// Collective.
    init(communicator: any Communicator, groupSize: Int, slotValues: Int) {
        localRank = communicator.rank % groupSize
        self.groupSize = groupSize
        self.slotValues = (slotValues + 15) / 16 * 16
        let counters = 2 * groupSize * Self.line
        base = communicator.sharedMemory(byteCount: counters + 2 * groupSize * self.slotValues * 4)
        slots = (base + counters).bindMemory(to: Float.self, capacity: 2 * groupSize * self.slotValues)
    }

    /// Where a rank of the group lays open a round's bucket.
    func slot(of localRank: Int, _ round: UInt64) -> UnsafeMutablePointer<Float> {
        slots + (2 * localRank + Int(round & 1)) * slotValues
    }

    private func published(_ rank: Int) -> UnsafeMutablePointer<UInt64> {
        (base + 2 * rank * Self.line).assumingMemoryBound(to: UInt64.self)
    }

    private func released(_ rank: Int) -> UnsafeMutablePointer<UInt64> {
        (base + (2 * rank + 1) * Self.line).assumingMemoryBound(to: UInt64.self)
    }

    /// Whether nobody reads the own slot any more.
    func isFree(_ round: UInt64) -> Bool {
        round <= 2 || (0..<groupSize).allSatisfy { neft_counter_load(released($0)) >= round - 2 }
    }

    /// The own slot holds what the others need.
    func publish(_ round: UInt64) { neft_counter_store(published(localRank), round) }

    /// Whether every slot of the round can be read.
    func isPublished(_ round: UInt64) -> Bool {
        (0..<groupSize).allSatisfy { neft_counter_load(published($0)) >= round }
    }

    /// This rank needs the round's slots no more.
    func release(_ round: UInt64) { neft_counter_store(released(localRank), round) }
}
