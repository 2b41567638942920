import Foundation
import TestSupport
import Testing

@testable import Reporting

struct RunManifestTests {
    private let manifest = RunManifest(
        neftVersion: "0.1.0", libraryVersions: ["zstd": "1.5.4", "openblas": "0.3.21"],
        command: ["neft", "train", "-o", "runs/a"], host: "h1", hosts: ["h1", "h2"], cpuModel: "Some CPU @ 2 GHz",
        blasCoreType: "Zen", threads: 2, ranks: 2, seed: .max, baseHash: "aa", maskHash: nil,
        dataHashes: ["data/train.jsonl": "cc"], startedAt: Date(timeIntervalSince1970: 1_700_000_000),
        options: ["top": "6%"])

    @Test func readsBackEqual() throws {
        let folder = try TemporaryFolder()
        try manifest.write(to: folder.file("manifest.json"))
        #expect(try RunManifest.read(from: folder.file("manifest.json")) == manifest)
        let text = try folder.text("manifest.json")
        #expect(text.contains(#""startedAt" : "2023-11-14T22:13:20Z""#))
        #expect(text.contains(#""data/train.jsonl" : "cc""#))
        #expect(text.contains(#""seed" : 18446744073709551615"#))
        #expect(!text.contains("wallSeconds") && !text.contains("maskHash"))
    }

    @Test func isReplacedAtTheEndOfTheRunAndLeavesNothingElse() throws {
        let folder = try TemporaryFolder()
        try manifest.write(to: folder.file("manifest.json"))
        var ended = manifest
        ended.wallSeconds = 12.5
        ended.maskHash = "bb"
        try ended.write(to: folder.file("manifest.json"))
        #expect(try RunManifest.read(from: folder.file("manifest.json")) == ended)
        #expect(try folder.names == ["manifest.json"])
    }

    @Test func aFailedWriteLeavesTheOldManifest() throws {
        let folder = try TemporaryFolder()
        try manifest.write(to: folder.file("manifest.json"))
        var broken = manifest
        broken.wallSeconds = .nan
        let error = #expect(throws: ReportingError.self) { try broken.write(to: folder.file("manifest.json")) }
        #expect(error?.found.contains("JSON cannot hold") == true)
        #expect(throws: ReportingError.self) { try manifest.write(to: folder.path) }
        #expect(try RunManifest.read(from: folder.file("manifest.json")) == manifest)
        #expect(try folder.names == ["manifest.json"])
        #expect(!FileManager.default.fileExists(atPath: folder.path + ".\(getpid()).tmp"))
    }

    @Test func saysWhatIsWrongWithAnotherFile() throws {
        let folder = try TemporaryFolder()
        for text in ["", "{}", "[1]", "{\"neftVersion\":3}"] {
            try text.write(toFile: folder.file("m.json"), atomically: false, encoding: .utf8)
            let error = #expect(throws: ReportingError.self) { try RunManifest.read(from: folder.file("m.json")) }
            let found = text.isEmpty ? "not JSON" : "not a manifest of a run"
            #expect(error?.found.hasPrefix(found) == true, "\(text)")
        }
        let missing = #expect(throws: ReportingError.self) { try RunManifest.read(from: folder.file("none.json")) }
        #expect(missing?.file.hasSuffix("none.json") == true)
    }

    @Test func cpuModelComesFromTheSystem() throws {
        let folder = try TemporaryFolder()
        try "processor\t: 0\nmodel\t\t: 17\nmodel name\t: A: B 9\n\nmodel name\t: other\n"
            .write(toFile: folder.file("cpuinfo"), atomically: false, encoding: .utf8)
        #expect(RunManifest.localCPUModel(cpuInfo: folder.file("cpuinfo")) == "A: B 9")
        #expect(RunManifest.localCPUModel(cpuInfo: folder.file("none")) == "unknown")
        try "Features : fp\n".write(toFile: folder.file("cpuinfo"), atomically: false, encoding: .utf8)
        #expect(RunManifest.localCPUModel(cpuInfo: folder.file("cpuinfo")) == "unknown")
    }
}
