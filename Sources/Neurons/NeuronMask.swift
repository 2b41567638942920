import Checkpoints
import Models

/// The selected neurons of one model: sorted ids, the hash of the model they belong to, and how they were found.
public struct NeuronMask: Sendable, Equatable {
    /// The selected rows of one projection.
    public struct Module: Sendable, Equatable {
        /// Hugging Face module name, for example `model.layers.0.self_attn.q_proj`.
        public var name: String
        /// The block, from 0.
        public var layer: Int
        /// The projection of the block.
        public var projection: Projection
        /// Ascending, never empty.
        public var rows: [Int32]

        /// Rows of a projection; ascending, at least one.
        public init(name: String, layer: Int, projection: Projection, rows: [Int32]) {
            self.name = name
            self.layer = layer
            self.projection = projection
            self.rows = rows
        }
    }

    /// In `NeuronID` order; modules without a selected row are left out.
    public let modules: [Module]
    /// Hash of the model the neurons belong to.
    public let baseHash: String
    /// How the neurons were found, for people; not part of the hash.
    public let provenance: [String: String]

    static let formatVersion = "1"

    /// A mask of these modules, in `NeuronID` order.
    public init(modules: [Module], baseHash: String, provenance: [String: String]) {
        self.modules = modules
        self.baseHash = baseHash
        self.provenance = provenance
    }

    /// Number of selected neurons.
    public var count: Int { modules.reduce(0) { $0 + $1.rows.count } }

    /// SHA-256 over the base hash and the selected ids; equal masks of one model have equal hashes.
    public var hash: String {
        var text = "neurons \(baseHash)\n"
        for module in modules { text += "\(module.name) \(module.rows)\n" }
        return BaseHash.ofBytes(Array(text.utf8))
    }

    /// Writes the mask: `<module>.rows` I32, the same bytes for the same mask.
    public func save(to path: String) throws(CheckpointError) {
        var metadata = ["formatVersion": Self.formatVersion, "kind": "neurons", "baseHash": baseHash, "maskHash": hash]
        for (key, value) in provenance { metadata["provenance.\(key)"] = value }
        var writer = SafetensorsWriter(metadata: metadata)
        for module in modules { writer.add("\(module.name).rows", integers: module.rows) }
        try writer.write(to: path)
    }

    /// Reads a mask and checks that it is whole: ascending rows, and the hash it was saved with.
    public static func load(_ path: String) throws -> NeuronMask {
        let file = try SafetensorsFile(path: path)
        try checkKind(file, "neurons", formatVersion)
        var modules: [Module] = []
        for name in file.entries.keys.sorted() where name.hasSuffix(".rows") {
            let module = String(name.dropLast(".rows".count))
            let rows = try file.integers(name)
            guard let place = ModulePlace(module), areRows(rows) else {
                throw NeuronError(
                    subject: path, found: "tensor \(name)", expected: "ascending rows of a projection",
                    hint: "the file was not written by neft, or is damaged")
            }
            modules.append(Module(name: module, layer: place.layer, projection: place.projection, rows: rows))
        }
        guard !modules.isEmpty else {
            throw NeuronError(
                subject: path, found: "no neurons", expected: "rows of at least one projection",
                hint: "select them again, with a larger --top")
        }
        modules.sort { ($0.layer, $0.projection) < ($1.layer, $1.projection) }
        var provenance: [String: String] = [:]
        for (key, value) in file.metadata where key.hasPrefix("provenance.") {
            provenance[String(key.dropFirst("provenance.".count))] = value
        }
        let mask = NeuronMask(modules: modules, baseHash: file.metadata["baseHash"] ?? "", provenance: provenance)
        guard mask.hash == file.metadata["maskHash"] else {
            throw NeuronError(
                subject: path, found: "other neurons than its hash says", expected: "an undamaged mask",
                hint: "copy or select it again")
        }
        return mask
    }

    /// Row numbers that ascend from 0 or more, at least one.
    static func areRows(_ rows: [Int32]) -> Bool {
        (rows.first ?? -1) >= 0 && zip(rows, rows.dropFirst()).allSatisfy(<)
    }

    /// The bytes rank 0 broadcasts: the mask as text, read back by `init(bytes:)`.
    public var bytes: [UInt8] {
        var text = "\(baseHash)\n\(provenance.count)\n"
        for (key, value) in provenance.sorted(by: { $0.key < $1.key }) {
            text += "\(key)\t\(value.replacing("\n", with: " "))\n"
        }
        for module in modules { text += "\(module.name) \(module.rows.map(String.init).joined(separator: " "))\n" }
        return Array(text.utf8)
    }

    /// The mask whose `bytes` these are; nil when they are not a mask's.
    public init?(bytes: [UInt8]) {
        let lines = String(decoding: bytes, as: UTF8.self).split(separator: "\n", omittingEmptySubsequences: false)
        guard lines.count >= 2, let facts = Int(lines[1]), facts >= 0, lines.count >= 2 + facts else { return nil }
        var provenance: [String: String] = [:]
        for line in lines[2..<2 + facts] {
            let parts = line.split(separator: "\t", maxSplits: 1, omittingEmptySubsequences: false)
            guard parts.count == 2 else { return nil }
            provenance[String(parts[0])] = String(parts[1])
        }
        var modules: [Module] = []
        for line in lines[(2 + facts)...] where !line.isEmpty {
            let parts = line.split(separator: " ")
            let rows = parts.dropFirst().compactMap { Int32($0) }
            guard let place = ModulePlace(String(parts[0])), rows.count == parts.count - 1, Self.areRows(rows) else {
                return nil
            }
            modules.append(
                Module(name: String(parts[0]), layer: place.layer, projection: place.projection, rows: rows))
        }
        guard zip(modules, modules.dropFirst()).allSatisfy({ ($0.layer, $0.projection) < ($1.layer, $1.projection) })
        else { return nil }
        self.init(modules: modules, baseHash: String(lines[0]), provenance: provenance)
    }

    /// The packed rows of the mask in `model`.
    ///
    /// - Parameters:
    ///   - model: the model the mask is for.
    ///   - expected: the model's base hash.
    ///   - file: what to name in an error.
    /// - Throws: when the mask was made for another model, or names modules or rows that the model has not.
    public func trainableRows(
        for model: any LanguageModel, baseHash expected: String, file: String
    ) throws(NeuronError) -> TrainableRows {
        guard baseHash == expected else {
            throw NeuronError(
                subject: file, found: "neurons of another model (base hash \(baseHash.prefix(12)))",
                expected: "neurons of this one (\(expected.prefix(12)))", hint: "profile and select on this model")
        }
        let known = Dictionary(uniqueKeysWithValues: model.projections.map { ($0.module, $0) })
        var selection: [(parameter: Int, rows: [Int32]?)] = []
        for module in modules {
            guard let entry = known[module.name], Int(module.rows.last ?? 0) < entry.rows else {
                throw NeuronError(
                    subject: file, found: "row \(module.rows.last ?? 0) of \(module.name)",
                    expected: known[module.name].map { "rows below \($0.rows)" } ?? "a module of the model",
                    hint: "the mask belongs to another model")
            }
            selection.append((entry.parameter, module.rows))
            if let bias = entry.bias { selection.append((bias, module.rows)) }
        }
        return TrainableRows(selection: selection.sorted { $0.parameter < $1.parameter }, parameters: model.parameters)
    }
}

extension LanguageModel {
    /// Every row of the seven projections, with its bias: all neurons.
    public var everyNeuron: TrainableRows {
        let indices = projections.flatMap { [$0.parameter] + ($0.bias.map { [$0] } ?? []) }
        return TrainableRows(selection: indices.sorted().map { ($0, nil) }, parameters: parameters)
    }

    /// Every weight: full fine-tuning.
    public var everyWeight: TrainableRows {
        TrainableRows(selection: parameters.indices.map { ($0, nil) }, parameters: parameters)
    }
}
