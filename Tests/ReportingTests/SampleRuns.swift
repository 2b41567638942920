import Foundation
import Models
import Neurons
import TestSupport

@testable import Reporting

/// Folders of runs of the tiny decoder, as `neft train` would leave them.
struct SampleRuns {
    let folder: TemporaryFolder
    private let model = makeTinyDecoder()

    init() throws { folder = try TemporaryFolder() }

    func profile(_ method: String, seed: UInt64) -> NeuronProfile {
        if method == "random" { return .random(model: model, seed: seed, baseHash: "base") }
        let scores = (0..<model.neuronCount).map { index -> Double in
            let x = Double((index * 7919 + Int(seed) * 31) % 1000) / 1000
            return index == 0 ? 0 : exp(-12 * x) * 1e-3
        }
        return NeuronProfile(
            model: model, scores: scores, method: method, baseHash: "base", details: ["seed": "\(seed)"])
    }

    /// - Returns: the path of the run.
    @discardableResult
    func make(
        _ name: String, method: String = "gradient", seed: UInt64 = 1, data: String = "data/train.jsonl",
        dataHash: String = "d1", baseHash: String = "base", steps: Int = 40, finished: Bool = true,
        bleu: Double? = 20, evaluationHash: String = "t1", rate: String = "0.0015"
    ) throws -> String {
        let path = folder.file(name)
        try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
        var options = ["method": "neft", "learning-rate": rate, "model": "tiny", "output": path, "seed": "\(seed)"]
        if method == "full" { options["method"] = "full" }
        var manifest = RunManifest(
            neftVersion: "0.1.0", libraryVersions: [:], command: ["neft"], host: "h", hosts: ["h", "h"],
            cpuModel: "CPU <1> & \"2\"", blasCoreType: "Zen", threads: 1, ranks: 2, seed: seed, baseHash: baseHash,
            maskHash: nil, layerCount: model.layerCount,
            projectionRows: Dictionary(
                model.projections.map { ($0.projection.shortName, $0.rows) }, uniquingKeysWith: { first, _ in first }),
            dataHashes: [data: dataHash], startedAt: Date(timeIntervalSince1970: 1_700_000_000),
            wallSeconds: finished ? 75 : nil, options: options)
        if method != "full" {
            let profile = profile(method, seed: seed)
            let mask = try profile.select(share: 0.06)
            try profile.save(to: path + "/profile.safetensors")
            try mask.save(to: path + "/neurons.safetensors")
            manifest.maskHash = mask.hash
        }
        try manifest.write(to: path + "/manifest.json")
        let lines = (0..<steps).map { step -> String in
            let loss =
                step == 3 ? "null" : "\(1 + 3 * exp(-Double(step) / 9) + Double((step * 7 + Int(seed)) % 5) / 20)"
            return #"{"step":\#(step + 1),"loss":\#(loss),"stepSeconds":2.5,"computeSeconds":2.0,"#
                + #""exchangeSeconds":0.25,"wireBytes":6000000,"rawBytes":10000000}"# + "\n"
        }
        try write(lines.joined() + (finished ? "" : #"{"step":99,"lo"#), "\(name)/metrics.jsonl")
        if let bleu {
            try write(
                #"{"bleu":\#(bleu),"chrf":\#(bleu + 25),"perplexity":3.5,"loss":1.25,"rows":9,"dataHash":"\#(evaluationHash)"}"#,
                "\(name)/evaluation.json")
        }
        return path
    }

    /// What `neft dynamics` would say.
    func writeDynamics(_ name: String) throws {
        let effects = #"{"stronglyAffected": 4, "suppressed": 3, "indirectlyAffected": 2}"#
        try write(
            #"{"method": "activation", "threshold": 5, "correlation": 0.987, "effects": \#(effects), "layers": [\#(effects)],"#
                + #" "histogram": {"from": -9, "to": 9, "trained": [1, 0, 6], "untrained": [0, 50, 2]}}"#, name)
    }

    /// What `neft sparsity` would say of two layers: the untrained model's share, then those of its checkpoints.
    func writeSparsity(_ name: String, _ data: String, _ shares: [Double], _ correlations: String) throws {
        let states = shares.enumerated().map { index, share in
            #"{"adapter": \#(index == 0 ? "null" : "\"a/checkpoint-\(index)\""), "sparsity": \#(share), "#
                + #""layers": [\#(share - 0.1), \#(share + 0.1)], "figures": {"chrf": \#(20 + index)}}"#
        }
        try write(
            #"{"threshold": 0.1, "data": "\#(data)", "states": [\#(states.joined(separator: ","))],"#
                + #" "correlations": \#(correlations)}"#, name)
    }

    func write(_ text: String, _ name: String) throws {
        try Data(text.utf8).write(to: URL(fileURLWithPath: folder.file(name)))
    }

    func report(_ paths: [String]) throws -> Report { try Report(paths.map { try ReportedRun(folder: $0) }) }
}
