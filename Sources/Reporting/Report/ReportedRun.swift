import Checkpoints
import Foundation
import Neurons

/// What the folder of a run holds, as far as the run has come.
public struct ReportedRun: Sendable {
    /// One line of `metrics.jsonl`; what is not a finite number is nil.
    struct Step: Sendable, Decodable {
        let step: Int
        let loss: Double?
        let stepSeconds: Double?
        let computeSeconds: Double?
        let exchangeSeconds: Double?
        let wireBytes: Double?
        let rawBytes: Double?
        /// Of a line that is a measurement's on other rows, not a step's.
        let isBest: Bool?
        let validationLoss: Double?

        /// Whether times and bytes are what a step can have: they are added up and rounded.
        var isPlausible: Bool {
            [stepSeconds, computeSeconds, exchangeSeconds, wireBytes, rawBytes].allSatisfy {
                (0...1e15).contains($0 ?? 0)
            } && (0...1 << 48).contains(step)
        }
    }

    /// What `neft evaluate --json` wrote into the folder.
    struct Evaluation: Sendable {
        /// `evaluation`, or `evaluation-NAME`.
        let name: String
        let dataHash: String?
        /// Name and value, in the order of `figureNames`.
        let figures: [(name: String, value: Double)]
    }

    let path: String
    /// The folder's name; with its parent's where several runs have the same.
    var name: String
    let manifest: RunManifest
    let steps: [Step]
    /// Measurements on other rows during training.
    let measurements: [(step: Int, loss: Double)]
    /// Nil where the method selects no neurons, or where the run has not come so far.
    let mask: NeuronMask?
    /// The scores that the run selected by; nil where the mask was given.
    let profile: NeuronProfile?
    let evaluations: [Evaluation]
    /// What `dynamics.json` says; nil where there is none.
    let dynamics: ReportedDynamics?
    /// What `sparsity.json` and `sparsity-NAME.json` say, one for each data set.
    let sparsities: [ReportedSparsity]

    /// What `trace.json` says; nil where there is none.
    let trace: [TraceFile.Event]?

    var isFinished: Bool { manifest.wallSeconds != nil }

    /// Figures of an evaluation, the better the higher but for the last two.
    static let figureNames = [
        "bleu", "chrf", "rouge1", "rouge2", "rougeL", "accuracy", "exactMatch", "perplexity", "loss",
    ]

    /// Reads the folder. A run that has not ended, or was never evaluated, gives what there is.
    ///
    /// - Throws: `ReportingError` if it is not the folder of a run or a file in it is damaged, naming file and line; an
    ///   error of `Neurons` or `Checkpoints` for a damaged mask or profile.
    public init(folder: String) throws {
        let files = FileManager.default
        var isFolder: ObjCBool = false
        guard files.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
            throw ReportingError(
                file: folder,
                found: isFolder.boolValue || !files.fileExists(atPath: folder) ? "no such folder" : "a file",
                expected: "the folder of a run, which neft train wrote", hint: "check the path")
        }
        guard files.fileExists(atPath: folder + "/manifest.json") else {
            throw ReportingError(
                file: folder, found: "no manifest.json in it", expected: "the folder of a run, which neft train wrote",
                hint: "give the folder that was --output of neft train")
        }
        path = folder
        name = URL(fileURLWithPath: folder).standardizedFileURL.lastPathComponent
        manifest = try RunManifest.read(from: folder + "/manifest.json")
        let lines = try Self.lines(folder + "/metrics.jsonl")
        steps = lines.filter { $0.isBest == nil }
        measurements = lines.compactMap { line in line.validationLoss.map { (line.step, $0) } }
        func optional<Value>(_ file: String, _ load: (String) throws -> Value) rethrows -> Value? {
            files.fileExists(atPath: folder + file) ? try load(folder + file) : nil
        }
        mask = try optional("/neurons.safetensors", NeuronMask.load)
        profile = try optional("/profile.safetensors", NeuronProfile.load)
        trace = try optional("/trace.json", TraceFile.read)
        dynamics = try optional("/dynamics.json") { try ReportedDynamics.load($0) }
        let names = try files.contentsOfDirectory(atPath: folder).sorted()
        evaluations = try names.filter { $0.hasPrefix("evaluation") && $0.hasSuffix(".json") }
            .map { try Self.evaluation(folder + "/" + $0) }
        sparsities = try names.filter { $0.hasPrefix("sparsity") && $0.hasSuffix(".json") }
            .map { try ReportedSparsity.load(folder + "/" + $0) }
    }

    private static func lines(_ file: String) throws(ReportingError) -> [Step] {
        let data: Data
        do throws(SmallFile.Problem) { data = try SmallFile.read(file) } catch {
            if error.isMissing { return [] }
            throw ReportingError(
                file: file, found: error.found, expected: "what neft train wrote", hint: "check the path")
        }
        var steps: [Step] = []
        let lines = data.split(separator: UInt8(ascii: "\n"), omittingEmptySubsequences: false)
        // What follows the last line end is a line that was being written.
        for (index, line) in lines.dropLast().enumerated() {
            guard JSONSyntax.fault(in: line) == nil, let step = try? JSONDecoder().decode(Step.self, from: line),
                step.isPlausible
            else {
                throw ReportingError(
                    file: "\(file):\(index + 1)", found: "a line that is not a step's",
                    expected: "what neft train wrote",
                    hint: "remove the damaged line")
            }
            steps.append(step)
        }
        return steps
    }

    private static func evaluation(_ file: String) throws(ReportingError) -> Evaluation {
        let data = (try? SmallFile.readJSON(file)) ?? Data()
        let object = (try? JSONSerialization.jsonObject(with: data)) as? [String: Any]
        let figures = figureNames.compactMap { name in
            (object?[name] as? Double).map { (name: name, value: $0) }
        }
        guard !figures.isEmpty else {
            throw ReportingError(
                file: file, found: "no JSON object with a figure such as \"bleu\"",
                expected: "the output of neft evaluate --json", hint: "evaluate again, or remove the file")
        }
        let name = URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
        return Evaluation(name: name, dataHash: object?["dataHash"] as? String, figures: figures)
    }
}

extension ReportedRun {
    /// What decides the result besides seed and task; runs that agree in it are repetitions of each other.
    var settings: [String: String] {
        var settings = manifest.options.filter { !Self.noSettings.contains($0.key) }
        if let mask {
            // The mask's own word, so that a mask that was given and one that was made by the run are alike.
            for name in ["top", "scope", "profile-method", "profile-steps"] { settings[name] = nil }
            for (key, value) in mask.provenance where !Self.noChoices.contains(key) {
                settings[Self.provenanceNames[key] ?? key.replacing("detail.", with: "profile's ")] = value
            }
        }
        return settings
    }

    /// What a mask says that goes with the seed, or is the same for all masks of a model.
    private static let noChoices: Set<String> = ["detail.seed", "detail.tokens", "neurons"]

    private static let provenanceNames = [
        "method": "profile-method", "share": "top", "scope": "scope", "detail.steps": "profile-steps",
    ]

    /// Options that say where and how a run computes, not what.
    private static let noSettings: Set<String> = [
        "seed", "output", "model", "data", "neurons", "threads", "cache", "save-every", "keep", "heartbeat-timeout",
        "codec", "hierarchy", "exchange", "trace", "micro-batch", "max-bad-steps", "eval-data", "eval-every",
    ]

    /// The method, and how its neurons were chosen: `neft, gradient 6%`.
    var methodName: String {
        let method = manifest.options["method"] ?? "neft"
        guard let mask else { return method }
        let share = mask.provenance["share"].flatMap(Double.init).map { " \(Format.short($0 * 100))%" } ?? ""
        return "\(method), \(mask.provenance["method"] ?? "neurons")\(share)"
    }
}
