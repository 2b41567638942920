import Checkpoints
import Foundation
import Neurons
import Reporting
import Training

/// What rank 0 writes into the folder of a run.
final class RunRecord {
    private let folder: RunFolder
    private let metrics: MetricsLog
    private let tensorBoard: TensorBoardLog?
    private var manifest: RunManifest
    private var elapsed: Double

    /// Writes the configuration and the manifest.
    /// `done`: what earlier parts of the run have done, if `folder` is theirs.
    /// `hasTensorBoard`: whether to write what TensorBoard reads, too.
    init(
        folder: RunFolder, options: ResolvedConfiguration, manifest: RunManifest, done: TrainingSummary?,
        hasTensorBoard: Bool
    ) throws {
        self.folder = folder
        elapsed = done?.seconds ?? 0
        self.manifest = manifest
        do {
            try AtomicFile.write(options.yaml, to: folder.configurationPath)
            try manifest.write(to: folder.manifestPath)
            metrics =
                if let done {
                    try MetricsLog(continuing: folder.metricsPath, afterStep: done.steps)
                } else {
                    try MetricsLog(path: folder.metricsPath)
                }
            tensorBoard =
                hasTensorBoard ? try TensorBoardLog(folder: folder.tensorBoardPath, afterStep: done?.steps ?? 0) : nil
        } catch {
            folder.discard()
            throw error
        }
    }

    /// Takes everything back.
    func discard() { folder.discard() }

    /// Notes the scores by which neurons are selected.
    func save(_ profile: NeuronProfile) throws { try profile.save(to: folder.profilePath) }

    /// Notes which neurons are trained (nil: all), and how many values that are.
    func save(_ mask: NeuronMask?, parameters: Int) throws {
        try mask?.save(to: folder.neuronsPath)
        manifest.maskHash = mask?.hash
        manifest.trainedParameters = parameters
        try manifest.write(to: folder.manifestPath)
    }

    /// One line per step.
    func append(_ progress: TrainingProgress) throws {
        elapsed += progress.stepSeconds
        try tensorBoard?.append(
            step: progress.step,
            [
                .init("loss", progress.loss), .init("learningRate", progress.learningRate),
                .init("gradientNorm", progress.gradientNorm), .init("tokensPerSecond", progress.tokensPerSecond),
                .init("exchangeShare", progress.exchangeShare), .init("wireBytes", Double(progress.wireBytes)),
            ])
        try metrics.append([
            .init("step", .int(progress.step)), .init("epoch", .int(progress.epoch)),
            .init("loss", .double(progress.loss)), .init("learningRate", .double(progress.learningRate)),
            .init("gradientNorm", .double(progress.gradientNorm)), .init("skipped", .bool(progress.isSkipped)),
            .init("tokens", .int(progress.tokens)), .init("targetTokens", .int(progress.targetTokens)),
            .init("tokensPerSecond", .double(progress.tokensPerSecond)),
            .init("stepSeconds", .double(progress.stepSeconds)),
            .init("computeSeconds", .double(progress.computeSeconds)),
            .init("exchangeSeconds", .double(progress.exchangeSeconds)),
            .init("exchangeBusySeconds", .double(progress.exchangeBusySeconds)),
            .init("wireBytes", .int(progress.wireBytes)), .init("rawBytes", .int(progress.rawBytes)),
            .init("peakMiB", .double(ProcessStatus.peakMiB)), .init("elapsedSeconds", .double(elapsed)),
        ])
    }

    /// One line per measurement on other rows.
    func append(_ measured: ValidationRecord) throws {
        try tensorBoard?.append(step: measured.step, [.init("validationLoss", measured.loss ?? .nan)])
        try metrics.append([
            .init("step", .int(measured.step)), .init("validationLoss", .double(measured.loss ?? .nan)),
            .init("isBest", .bool(measured.isBest)),
        ])
    }

    /// Where the best rows so far are.
    var bestPath: String { folder.bestPath }

    /// Brings to the disk what a checkpoint of this moment relies on.
    func sync() throws {
        try metrics.sync()
        try tensorBoard?.sync()
    }

    /// Closes the record of a run that goes on later.
    func pause() throws {
        try metrics.close()
        try tensorBoard?.close()
    }

    /// Puts `final/` in place and closes the record.
    func finish(seconds: Double, writeFinal: (_ folder: String) throws -> Void) throws {
        try pause()
        try folder.writeFinal(writeFinal)
        try? FileManager.default.removeItem(atPath: folder.bestPath)
        manifest.wallSeconds = seconds
        try manifest.write(to: folder.manifestPath)
    }
}
