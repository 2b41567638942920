import Checkpoints
import Foundation
import Kernels
import Models
import TestSupport
import Testing

@testable import Training

extension TemporaryFolder {
    /// Everything in it, folders and what they hold.
    var content: [String] { (try? FileManager.default.subpathsOfDirectory(atPath: path).sorted()) ?? [] }
}

@Suite struct RunFolderTests {
    @Test func makesMissingFoldersAndDiscardsThem() throws {
        let scratch = try TemporaryFolder()
        let folder = try RunFolder(creating: scratch.path + "/runs/today/one")
        #expect(scratch.content == ["runs", "runs/today", "runs/today/one"])
        try "x".write(toFile: folder.metricsPath, atomically: false, encoding: .utf8)
        try folder.writeFinal { try "y".write(toFile: $0 + "/a", atomically: false, encoding: .utf8) }
        #expect(scratch.content.contains("runs/today/one/final/a"))
        folder.discard()
        #expect(scratch.content == [])
    }

    @Test func discardKeepsWhatTheRunDidNotWrite() throws {
        let scratch = try TemporaryFolder()
        let folder = try RunFolder(creating: scratch.path + "/runs/one")
        try "x".write(toFile: scratch.path + "/runs/other", atomically: false, encoding: .utf8)
        folder.discard()
        #expect(scratch.content == ["runs", "runs/other"])
    }

    @Test func takesAnEmptyFolderAsItIs() throws {
        let scratch = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: scratch.path + "/run", withIntermediateDirectories: false)
        let folder = try RunFolder(creating: scratch.path + "/run")
        try "x".write(toFile: folder.manifestPath, atomically: false, encoding: .utf8)
        folder.discard()
        #expect(scratch.content == ["run"])
    }

    @Test func refusesWhatIsInTheWay() throws {
        let scratch = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: scratch.path + "/full", withIntermediateDirectories: false)
        try "x".write(toFile: scratch.path + "/full/metrics.jsonl", atomically: false, encoding: .utf8)
        try "x".write(toFile: scratch.path + "/file", atomically: false, encoding: .utf8)
        let before = scratch.content
        for (name, found) in [
            ("full", "the folder exists and is not empty"), ("file", "a file of that name exists"),
            ("file/run", "cannot be created"),
        ] {
            let path = "\(scratch.path)/\(name)"
            let error = #expect(throws: TrainingError.self) { try RunFolder(creating: path) }
            #expect(error?.description.hasPrefix("\(path): \(found)") == true, "\(error?.description ?? "")")
        }
        #expect(throws: TrainingError.self) { try RunFolder(creating: "") }
        #expect(scratch.content == before)
    }

    @Test func finalAppearsWholeOrNotAtAll() throws {
        struct Stop: Error {}
        let scratch = try TemporaryFolder()
        let folder = try RunFolder(creating: scratch.path + "/run")
        #expect(throws: Stop.self) {
            try folder.writeFinal { aside in
                try "half".write(toFile: aside + "/a", atomically: false, encoding: .utf8)
                throw Stop()
            }
        }
        #expect(scratch.content == ["run"])
    }
}
