import CKernels
import Collectives
import Kernels

/// Checks that all ranks hold the same weights, bit for bit.
enum ReplicaHash {
    /// A checksum of the packed rows' bits. Not cryptographic: it finds accidents, not forgeries.
    static func compute(_ access: PackedRowAccess) -> UInt64 {
        var hash: UInt64 = 14_695_981_039_346_656_037
        for run in access.runs {
            let sum = run.weights.withMemoryRebound(to: UInt32.self, capacity: run.count) {
                neft_words_checksum($0, run.count)
            }
            hash = (hash ^ sum) &* 1_099_511_628_211
            hash ^= hash >> 29
        }
        return hash
    }

    /// Collective. Throws on every rank, naming those that differ.
    static func requireAgreement(
        _ access: PackedRowAccess, over communicator: any Communicator, afterStep step: Int
    ) throws(CollectiveError) {
        guard communicator.size > 1 else { return }
        let digits = String(compute(access), radix: 16)
        try communicator.requireAgreement(
            on: step == 0 ? "weights before training" : "weights after step \(step)",
            value: String(repeating: "0", count: 16 - digits.count) + digits)
    }
}
