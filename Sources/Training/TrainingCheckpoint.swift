import Checkpoints
import Foundation
import Neurons

/// A whole checkpoint of a run, on the disk of rank 0.
///
/// ```
/// checkpoint-000100/ manifest.json  state.json  moments.safetensors
///                    adapter.safetensors  neurons.safetensors            (--method neft)
///                    weights.safetensors                                 (other methods)
/// ```
public struct TrainingCheckpoint: Sendable {
    /// Its folder.
    public let path: String
    /// What it says of itself.
    public let record: CheckpointRecord

    static let recordName = "state.json"
    static let momentsName = "moments.safetensors"
    static let maskName = "neurons.safetensors"
    /// The rows of the lowest validation loss so far; with `--keep-best`.
    static let bestName = "best.safetensors"
    /// In the format of `RowAdapter`; that of selected neurons can be used as an adapter.
    static func weightsName(hasMask: Bool) -> String { hasMask ? "adapter.safetensors" : "weights.safetensors" }

    /// Opens a checkpoint and reads all of its files to see that they are whole.
    public init(path: String) throws(TrainingError) {
        func damaged(_ found: String) -> TrainingError {
            TrainingError(
                subject: path, found: found, expected: "a whole checkpoint",
                hint: "pass another checkpoint-NNNNNN, or --resume auto for the newest that is whole")
        }
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder), isFolder.boolValue else {
            throw damaged("no such folder")
        }
        do throws(CheckpointManifest.Fault) {
            let manifest = try CheckpointManifest.read(in: path)
            try manifest.requireListed([Self.recordName, Self.momentsName])
            guard let record = try? CheckpointRecord(bytes: Array(SmallFile.readJSON("\(path)/\(Self.recordName)")))
            else { throw CheckpointManifest.Fault(found: "\(Self.recordName) cannot be read") }
            let hasMask = record.maker.maskHash != nil
            try manifest.requireListed([Self.weightsName(hasMask: hasMask)] + (hasMask ? [Self.maskName] : []))
            self.record = record
        } catch {
            throw damaged(error.found)
        }
        if let fault = record.fault { throw damaged("\(Self.recordName): \(fault)") }
        self.path = path
    }

    /// The trained neurons; nil where all rows are trained.
    public func mask() throws -> NeuronMask? {
        record.maker.maskHash == nil ? nil : try NeuronMask.load("\(path)/\(Self.maskName)")
    }

    /// Puts the best rows of the checkpoint's time into the folder of the run that goes on, if there are any.
    public func placeBest(at path: String) throws(TrainingError) {
        let own = "\(self.path)/\(Self.bestName)"
        if FileManager.default.fileExists(atPath: own) { try RunFolder.link(own, to: path) }
    }

    // MARK: - In the folder of a run

    /// The name of its folder: `checkpoint-000100`.
    public static func name(step: Int) -> String { "checkpoint-" + String(format: "%06d", step) }

    /// The step in a checkpoint's name.
    static func step(name: String) -> Int? {
        guard name.hasPrefix("checkpoint-") else { return nil }
        let digits = name.dropFirst("checkpoint-".count)
        guard let step = Int(digits), step >= 0, Self.name(step: step) == name else { return nil }
        return step
    }

    /// Checkpoints of a run's folder, whole or not, oldest first.
    static func all(in folder: String) -> [(step: Int, path: String)] {
        let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
        return names.compactMap { name in step(name: name).map { ($0, "\(folder)/\(name)") } }.sorted { $0.0 < $1.0 }
    }

    /// The newest whole checkpoint in a run's folder.
    /// - Parameters:
    ///   - folder: of the run.
    ///   - warn: told of every newer one that is not whole.
    public static func newest(in folder: String, warn: (String) -> Void) -> TrainingCheckpoint? {
        for (step, path) in all(in: folder).reversed() {
            do throws(TrainingError) {
                let checkpoint = try TrainingCheckpoint(path: path)
                if checkpoint.record.step == step { return checkpoint }
                warn("\(path): left aside: it holds step \(checkpoint.record.step)")
            } catch {
                warn("\(path): left aside: \(error.found)")
            }
        }
        return nil
    }
}
