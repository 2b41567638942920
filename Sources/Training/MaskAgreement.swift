import Collectives
import Neurons

/// How all ranks of a run come to the same mask.
public enum MaskAgreement {
    /// Rank 0 selects the best neurons of its profile and sends the mask to all ranks, which check its hash. Collective.
    ///
    /// - Parameters:
    ///   - share: in `0 < share ≤ 1`.
    ///   - scope: from which groups the share is taken.
    ///   - filter: which neurons may be taken.
    ///   - profile: read on rank 0 only.
    ///   - communicator: the ranks of the run.
    /// - Throws: the same error on every rank: `NeuronError` if nothing can be selected, `CollectiveError` if ranks end
    ///   up with different masks.
    public static func select(
        share: Double, scope: SelectionScope, filter: NeuronFilter = .all,
        from profile: @autoclosure () -> NeuronProfile,
        over communicator: any Communicator
    ) throws -> NeuronMask {
        var message: [UInt8] = []
        if communicator.rank == 0 {
            do throws(NeuronError) {
                message = [1] + (try profile().select(share: share, scope: scope, from: filter)).bytes
            } catch {
                message = Array("\0\(error.subject)\0\(error.found)\0\(error.expected)\0\(error.hint)".utf8)
            }
        }
        message = communicator.broadcast(message)
        guard message.first == 1 else {
            let parts = message.dropFirst().split(separator: 0, omittingEmptySubsequences: false)
                .map { String(decoding: $0, as: UTF8.self) }
            throw NeuronError(subject: parts[0], found: parts[1], expected: parts[2], hint: parts[3])
        }
        let mask = NeuronMask(bytes: Array(message.dropFirst()))
        try communicator.requireAgreement(on: subject, value: mask?.hash ?? "none")
        guard let mask else {
            throw NeuronError(
                subject: subject, found: "a message that holds no mask", expected: "the mask rank 0 selected",
                hint: "every rank must run the same version of neft")
        }
        return mask
    }

    /// Checks that every rank has the same mask, by its hash. Collective; throws the same error on every rank, naming
    /// those that differ.
    public static func verify(_ mask: NeuronMask, over communicator: any Communicator) throws(CollectiveError) {
        try communicator.requireAgreement(on: subject, value: mask.hash)
    }

    private static let subject = "neuron mask"
}
