import Checkpoints
import Collectives
import Foundation
import Neurons

/// Saves a trainer's state as checkpoints in the folder of its run. Every rank makes one; rank 0 alone writes.
public struct CheckpointWriter {
    /// What a run's checkpoints have in common.
    public struct Contents {
        /// What a run that goes on must have in common.
        public var identity: RunIdentity
        /// How the run is made.
        public var maker: CheckpointRecord.Maker
        /// The trained neurons; nil where all rows are trained.
        public var mask: NeuronMask?
        /// Where the best rows so far are kept, if they are; each checkpoint holds those of its time.
        public var bestPath: String?

        /// Contents as they are named.
        public init(
            identity: RunIdentity, maker: CheckpointRecord.Maker, mask: NeuronMask?, bestPath: String? = nil
        ) {
            self.identity = identity
            self.maker = maker
            self.mask = mask
            self.bestPath = bestPath
        }
    }

    private let folder: String
    private let keep: Int
    private let contents: Contents
    private let communicator: any Communicator

    /// - Parameters:
    ///   - folder: of the run, on rank 0.
    ///   - keep: how many of the newest checkpoints stay, at least 1.
    ///   - contents: what all checkpoints have in common.
    ///   - communicator: the ranks of the run.
    public init(folder: String, keep: Int, contents: Contents, communicator: any Communicator) {
        precondition(keep >= 1, "CheckpointWriter: \(keep) checkpoints to keep")
        self.folder = folder
        self.keep = keep
        self.contents = contents
        self.communicator = communicator
    }

    private func path(step: Int) -> String { "\(folder)/\(TrainingCheckpoint.name(step: step))" }

    /// Collective. Saves the present state: whole, or not at all. Checkpoints beyond `keep` are removed afterwards.
    ///
    /// - Throws: the same on every rank: `TrainingError` if rank 0 cannot write, `CollectiveError` if the ranks' weights
    ///   differ.
    public func save(_ trainer: Trainer) throws {
        try trainer.requireEqualWeights()
        let transfer = trainer.stateTransfer()
        // The other ranks send their parts whatever happens on rank 0.
        let stream = StateStream(trainer.stateTensors, transfer)
        var failure = ""
        if communicator.rank == 0 {
            do { try write(trainer, layout: transfer.layout, stream) } catch { failure = describe(error) }
        }
        stream.drain()
        failure = String(decoding: communicator.broadcast(Array(failure.utf8)), as: UTF8.self)
        guard failure.isEmpty else {
            throw TrainingError(
                subject: path(step: trainer.step), found: "the checkpoint cannot be saved: \(failure)",
                expected: "room in a folder that can be written",
                hint: "earlier checkpoints stand: make room and go on with --resume auto", isFault: true)
        }
    }

    private func describe(_ error: any Error) -> String {
        switch error {
        case let error as CheckpointError: "\(error.file): \(error.found)"
        case let error as TrainingError: "\(error.subject): \(error.found)"
        default: error.localizedDescription
        }
    }

    /// Rank 0.
    private func write(_ trainer: Trainer, layout: String, _ stream: StateStream) throws {
        let final = path(step: trainer.step)
        let aside = "\(final).writing-\(getpid())"
        try? FileManager.default.removeItem(atPath: aside)
        guard mkdir(aside, 0o777) == 0 else { throw Self.failure(aside, "cannot be created") }
        do {
            try fill(aside, trainer, layout: layout, stream)
            try Self.sync(aside)
            // One that is there is damaged, or of a run that went on from an earlier one.
            if FileManager.default.fileExists(atPath: final) { try FileManager.default.removeItem(atPath: final) }
            guard rename(aside, final) == 0 else { throw Self.failure(final, "cannot be put in place") }
            try Self.sync(folder)
        } catch {
            try? FileManager.default.removeItem(atPath: aside)
            throw error
        }
        removeOthers(than: trainer.step)
    }

    /// Leaves the newest checkpoints up to `step`. Later ones are of a run that was taken back to before them.
    private func removeOthers(than step: Int) {
        let all = TrainingCheckpoint.all(in: folder)
        for (_, path) in all.filter({ $0.step <= step }).dropLast(keep) + all.filter({ $0.step > step }) {
            try? FileManager.default.removeItem(atPath: path)
        }
    }

    private func fill(_ aside: String, _ trainer: Trainer, layout: String, _ stream: StateStream) throws {
        try RowAdapter.save(
            trainer.trainable, of: trainer.model, baseHash: contents.maker.baseHash,
            maskHash: contents.maker.maskHash ?? "",
            to: "\(aside)/\(TrainingCheckpoint.weightsName(hasMask: contents.mask != nil))")
        try contents.mask?.save(to: "\(aside)/\(TrainingCheckpoint.maskName)")
        try stream.write(to: "\(aside)/\(TrainingCheckpoint.momentsName)")
        if let best = contents.bestPath, trainer.validation.bestStep > 0 {
            try RunFolder.link(best, to: "\(aside)/\(TrainingCheckpoint.bestName)")
        }
        let record = CheckpointRecord(
            step: trainer.step, totalSteps: trainer.totalSteps, updates: trainer.updates,
            valueCount: trainer.trainable.count, summary: trainer.summary,
            validation: trainer.validation.step > 0 ? trainer.validation : nil, identity: contents.identity,
            maker: contents.maker, layout: layout)
        let text = String(decoding: try record.bytes(), as: UTF8.self)
        try AtomicFile.write(text, to: "\(aside)/\(TrainingCheckpoint.recordName)")
        try CheckpointManifest(describing: aside).write(to: aside)
    }

    /// Brings a folder's names to the disk.
    private static func sync(_ folder: String) throws {
        let descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)
        guard descriptor >= 0 else { return }
        defer { close(descriptor) }
        guard fsync(descriptor) == 0 || errno == EINVAL else { throw failure(folder, "cannot be brought to the disk") }
    }

    private static func failure(_ path: String, _ what: String) -> TrainingError {
        TrainingError(
            subject: path, found: "\(what) (\(String(cString: strerror(errno))))", expected: "to write it",
            hint: "check the folder's permissions and the free space", isFault: true)
    }
}
