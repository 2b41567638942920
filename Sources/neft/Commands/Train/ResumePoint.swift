import Foundation
import Neurons
import Training

/// What a run goes on from; the same on every rank.
struct ResumePoint {
    let record: CheckpointRecord
    /// The trained neurons; nil where all rows are trained.
    let mask: NeuronMask?
    /// As it is shown: the checkpoint's folder.
    let path: String
    /// On rank 0.
    let checkpoint: TrainingCheckpoint?
}

/// What `--resume` finds. Rank 0 alone looks; what it finds is sent to all.
struct ResumePlan {
    let point: ResumePoint?
    /// Whether `--output` holds an earlier part of the run, which is gone on with.
    let isSameFolder: Bool

    /// Collective. Refuses, on all ranks, an output folder in which there is something else.
    init(_ command: Train, in session: Session) throws {
        let found = try session.onRoot { try Self.find(command, warn: session.console.warn) }
        // The folder, then the two files' bytes: all that the other ranks need.
        var message: [[UInt8]] = [[], [], [], []]
        if let found {
            message[0] = [found.isSameFolder ? 1 : 0]
            if let checkpoint = found.checkpoint {
                message[1] = Array(checkpoint.path.utf8)
                message[2] = found.record
                message[3] = found.mask
            }
        }
        message = message.map { session.communicator.broadcast($0) }
        isSameFolder = message[0] == [1]
        guard !message[1].isEmpty else {
            point = nil
            return
        }
        let path = String(decoding: message[1], as: UTF8.self)
        point = try session.agree {
            let mask = NeuronMask(bytes: message[3])
            let record = try? CheckpointRecord(bytes: message[2])
            guard let record, record.maker.maskHash == mask?.hash else {
                throw CommandError(
                    path, found: "a checkpoint that this rank cannot read",
                    expected: "the same version of neft everywhere")
            }
            return ResumePoint(record: record, mask: mask, path: path, checkpoint: found?.checkpoint)
        }
    }

    private struct Found {
        let isSameFolder: Bool
        var checkpoint: TrainingCheckpoint?
        var record: [UInt8] = []
        var mask: [UInt8] = []
    }

    private static func find(_ command: Train, warn: (String) -> Void) throws -> Found {
        let output = command.output.output
        guard let resume = command.checkpoints.resume else {
            try command.output.checkIsFree(isFolder: true)
            return Found(isSameFolder: false)
        }
        let holdsRun = RunFolder.holdsRun(output)
        let checkpoint: TrainingCheckpoint?
        if resume == "auto" {
            checkpoint = holdsRun ? TrainingCheckpoint.newest(in: output, warn: warn) : nil
            if holdsRun, checkpoint == nil, RunFolder.holdsResult(output) {
                throw CommandError(
                    output, found: "a finished run without checkpoints", expected: "one that can be gone on with",
                    hint: "the result is in \(output)/final; choose another --output for a new run")
            }
        } else {
            checkpoint = try TrainingCheckpoint(path: resume)
        }
        let isInside = resume == "auto" || folder(of: resume) == URL(fileURLWithPath: output).standardizedFileURL.path
        guard holdsRun, isInside else {
            try command.output.checkIsFree(isFolder: true)
            return try found(checkpoint, isSameFolder: false)
        }
        return try found(checkpoint, isSameFolder: true)
    }

    private static func found(_ checkpoint: TrainingCheckpoint?, isSameFolder: Bool) throws -> Found {
        guard let checkpoint else { return Found(isSameFolder: isSameFolder) }
        return Found(
            isSameFolder: isSameFolder, checkpoint: checkpoint, record: try checkpoint.record.bytes(),
            mask: try checkpoint.mask()?.bytes ?? [])
    }

    private static func folder(of path: String) -> String {
        URL(fileURLWithPath: path).standardizedFileURL.deletingLastPathComponent().path
    }
}
