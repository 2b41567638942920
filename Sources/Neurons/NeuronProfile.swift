import Checkpoints
import Models

/// One score per neuron: the larger, the more sensitive. Made by a profiler, read by `select`.
public struct NeuronProfile: Sendable, Equatable {
    /// The scores of one projection.
    public struct Module: Sendable, Equatable {
        /// Hugging Face module name, for example `model.layers.0.self_attn.q_proj`.
        public var name: String
        /// The block, from 0.
        public var layer: Int
        /// The projection of the block.
        public var projection: Projection
        /// One score per row, `[out]`.
        public var scores: [Double]
    }

    /// In `NeuronID` order.
    public var modules: [Module]
    /// The profiler: `gradient`, `weight-shift`, `random`.
    public var method: String
    /// Hash of the model that was profiled.
    public var baseHash: String
    /// How the scores were made (data, steps, seed), for people.
    public var details: [String: String]

    static let formatVersion = "1"

    /// - Parameters:
    ///   - model: the model that was scored.
    ///   - scores: all scores in `NeuronID` order, one per neuron of `model`.
    ///   - method: how.
    ///   - baseHash: of the model.
    ///   - details: what else is worth noting, for people.
    public init(
        model: any LanguageModel, scores: [Double], method: String, baseHash: String, details: [String: String]
    ) {
        precondition(scores.count == model.neuronCount, "NeuronProfile: \(scores.count) scores")
        var start = 0
        modules = model.projections.map { entry in
            defer { start += entry.rows }
            return Module(
                name: entry.module, layer: entry.layer, projection: entry.projection,
                scores: Array(scores[start..<start + entry.rows]))
        }
        self.method = method
        self.baseHash = baseHash
        self.details = details
    }

    /// Uniformly random scores from a seed: the control.
    public static func random(model: any LanguageModel, seed: UInt64, baseHash: String) -> NeuronProfile {
        var random = SplitMix64(seed: seed)
        let scores = (0..<model.neuronCount).map { _ in random.nextUnit() }
        return NeuronProfile(
            model: model, scores: scores, method: "random", baseHash: baseHash, details: ["seed": "\(seed)"])
    }

    /// Neurons of all modules.
    public var neuronCount: Int { modules.reduce(0) { $0 + $1.scores.count } }

    /// Writes the profile: `<module>.scores` F64 `[out]`, the same bytes for the same profile.
    public func save(to path: String) throws(CheckpointError) {
        var metadata = ["formatVersion": Self.formatVersion, "kind": "profile", "method": method, "baseHash": baseHash]
        for (key, value) in details { metadata["detail.\(key)"] = value }
        var writer = SafetensorsWriter(metadata: metadata)
        for module in modules { writer.add("\(module.name).scores", doubles: module.scores) }
        try writer.write(to: path)
    }

    /// Reads a profile and checks that it is one.
    public static func load(_ path: String) throws -> NeuronProfile {
        let file = try SafetensorsFile(path: path)
        try checkKind(file, "profile", formatVersion)
        var modules: [Module] = []
        for name in file.entries.keys.sorted() where name.hasSuffix(".scores") {
            let module = String(name.dropLast(".scores".count))
            guard let place = ModulePlace(module) else {
                throw NeuronError(
                    subject: path, found: "tensor \(name)", expected: "the scores of a projection",
                    hint: "the file was not written by neft, or is damaged")
            }
            modules.append(
                Module(
                    name: module, layer: place.layer, projection: place.projection, scores: try file.doubles(name)))
        }
        guard modules.contains(where: { !$0.scores.isEmpty }) else {
            throw NeuronError(
                subject: path, found: "no scores", expected: "the scores of a model's projections",
                hint: "profile again")
        }
        modules.sort { ($0.layer, $0.projection) < ($1.layer, $1.projection) }
        var profile = NeuronProfile(
            modules: modules, method: file.metadata["method"] ?? "", baseHash: file.metadata["baseHash"] ?? "",
            details: [:])
        for (key, value) in file.metadata where key.hasPrefix("detail.") {
            profile.details[String(key.dropFirst("detail.".count))] = value
        }
        return profile
    }

    private init(modules: [Module], method: String, baseHash: String, details: [String: String]) {
        self.modules = modules
        self.method = method
        self.baseHash = baseHash
        self.details = details
    }
}

/// Layer and projection of a Hugging Face module name, `model.layers.<layer>.<block>.<projection>`.
struct ModulePlace {
    let layer: Int
    let projection: Projection

    init?(_ module: String) {
        let parts = module.split(separator: ".")
        // As many layers as a model can have, and each name in one way only.
        guard parts.count == 5, let layer = Int(parts[2]), (0..<4096).contains(layer),
            let projection = Projection.allCases.first(where: {
                Decoder.tensorName(layer: layer, $0) == "\(module).weight"
            })
        else { return nil }
        self.layer = layer
        self.projection = projection
    }
}

/// Refuses files of another kind or a newer format.
func checkKind(_ file: SafetensorsFile, _ kind: String, _ version: String) throws(NeuronError) {
    guard file.metadata["kind"] == kind else {
        throw NeuronError(
            subject: file.path, found: file.metadata["kind"].map { "a file of kind \"\($0)\"" } ?? "no neft metadata",
            expected: "\(kind == "adapter" ? "an" : "a") \(kind) file written by neft",
            hint: "check which file you passed")
    }
    guard file.metadata["formatVersion"] == version else {
        throw NeuronError(
            subject: file.path, found: "format version \(file.metadata["formatVersion"] ?? "none")",
            expected: "version \(version)", hint: "use the neft version that wrote it")
    }
}
