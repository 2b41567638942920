import Checkpoints
import Foundation
import Models

/// `manifest.json`: what a run was made with, enough to repeat it or to say why a repetition differs.
public struct RunManifest: Codable, Sendable, Equatable {
    /// Version of neft.
    public var neftVersion: String
    /// Versions of the libraries in use: `gemm` (what computes the large products), `openblas`, `mpi`, `zstd`, …
    public var libraryVersions: [String: String]
    /// The command line.
    public var command: [String]
    /// Host of rank 0.
    public var host: String
    /// Host of every rank, `[ranks]`.
    public var hosts: [String]
    /// Processor of rank 0, as the system names it.
    public var cpuModel: String
    /// Kernels that OpenBLAS chose for the processor; results may differ in the last bits between types.
    public var blasCoreType: String
    /// Threads per rank.
    public var threads: Int
    /// Number of ranks.
    public var ranks: Int
    /// Decides the order of the rows and all that is random.
    public var seed: UInt64
    /// Identity of the base model.
    public var baseHash: String
    /// Identity of the neuron mask; nil where the method has none.
    public var maskHash: String?
    /// Values that the optimizer changes; nil in manifests of older versions, and before it is known.
    public var trainedParameters: Int?
    /// Layers of the model; nil in manifests of older versions.
    public var layerCount: Int?
    /// Neurons of each projection of a layer, by short name; nil in manifests of older versions.
    public var projectionRows: [String: Int]?
    /// Identity of each data file, by path.
    public var dataHashes: [String: String]
    /// Steps that an earlier part of the run had done; nil for a run from its beginning.
    public var resumedAfterStep: Int?
    /// Start of the run (of this part of it), UTC, ISO 8601.
    public var startedAt: String
    /// Seconds from start to end; nil until the run has ended.
    public var wallSeconds: Double?
    /// The resolved options, by name.
    public var options: [String: String]

    /// A manifest of a run that has not ended.
    public init(
        neftVersion: String, libraryVersions: [String: String], command: [String], host: String, hosts: [String],
        cpuModel: String, blasCoreType: String, threads: Int, ranks: Int, seed: UInt64, baseHash: String,
        maskHash: String?, layerCount: Int? = nil, projectionRows: [String: Int]? = nil,
        dataHashes: [String: String], startedAt: Date, resumedAfterStep: Int? = nil,
        wallSeconds: Double? = nil, options: [String: String]
    ) {
        self.neftVersion = neftVersion
        self.libraryVersions = libraryVersions
        self.command = command
        self.host = host
        self.hosts = hosts
        self.cpuModel = cpuModel
        self.blasCoreType = blasCoreType
        self.threads = threads
        self.ranks = ranks
        self.seed = seed
        self.baseHash = baseHash
        self.maskHash = maskHash
        self.layerCount = layerCount
        self.projectionRows = projectionRows
        self.dataHashes = dataHashes
        self.startedAt = startedAt.formatted(.iso8601)
        self.resumedAfterStep = resumedAfterStep
        self.wallSeconds = wallSeconds
        self.options = options
    }

    /// Neurons of each projection of a layer; nil where the manifest does not say.
    public var rowCounts: [Projection: Int]? {
        guard let projectionRows else { return nil }
        let counts = Projection.allCases.compactMap { kind in projectionRows[kind.shortName].map { (kind, $0) } }
        return counts.count == Projection.allCases.count ? Dictionary(uniqueKeysWithValues: counts) : nil
    }

    /// Neurons of the model; nil where the manifest does not say.
    public var neuronCount: Int? {
        guard let layerCount, let rowCounts else { return nil }
        return layerCount * rowCounts.values.reduce(0, +)
    }

    /// Writes the manifest, all of it or nothing; one that exists is replaced (a run writes it at its start and again
    /// at its end).
    public func write(to path: String) throws(ReportingError) {
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.prettyPrinted, .sortedKeys, .withoutEscapingSlashes]
        let data: Data
        do {
            data = try encoder.encode(self)
        } catch {
            throw ReportingError(
                file: path, found: "a value that JSON cannot hold", expected: "finite numbers", hint: "\(error)")
        }
        try OutputFile.replace(path, with: String(decoding: data, as: UTF8.self) + "\n")
    }

    /// Reads a manifest written by `write`.
    public static func read(from path: String) throws(ReportingError) -> RunManifest {
        func refusal(_ found: String) -> ReportingError {
            ReportingError(
                file: path, found: found, expected: "the manifest.json of a run",
                hint: "give the folder that neft train wrote")
        }
        let data: Data
        do throws(SmallFile.Problem) { data = try SmallFile.readJSON(path) } catch { throw refusal(error.found) }
        let manifest: RunManifest
        do { manifest = try JSONDecoder().decode(RunManifest.self, from: data) } catch {
            throw refusal("not a manifest of a run (\(error))")
        }
        // What a model can have: the rest counts with these numbers.
        let rows = manifest.projectionRows.map { Array($0.values) } ?? []
        guard (1...4096).contains(manifest.layerCount ?? 1), rows.allSatisfy({ (1...1 << 24).contains($0) }),
            (0...1 << 48).contains(manifest.trainedParameters ?? 0)
        else { throw refusal("sizes that no model has") }
        return manifest
    }

    /// Name of this machine's processor, from `/proc/cpuinfo`; `unknown` where the system does not tell.
    public static func localCPUModel(cpuInfo: String = "/proc/cpuinfo") -> String {
        // Read in pieces: files of /proc give no size.
        guard let handle = FileHandle(forReadingAtPath: cpuInfo) else { return "unknown" }
        defer { try? handle.close() }
        guard let data = try? handle.readToEnd() else { return "unknown" }
        for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1).map { $0.trimmingCharacters(in: .whitespaces) }
            if parts.count == 2, parts[0] == "model name", !parts[1].isEmpty { return parts[1] }
        }
        return "unknown"
    }
}
