import Foundation
import TestSupport
import Testing

@testable import Reporting

struct MetricsLogTests {
    @Test func linesKeepTheOrderOfTheirKeys() throws {
        let folder = try TemporaryFolder()
        let log = try MetricsLog(path: folder.file("metrics.jsonl"))
        try log.append([.init("step", 1), .init("loss", 2.5), .init("lr", 1e-5), .init("a", .null)])
        // Readable before the log is closed.
        #expect(try folder.text("metrics.jsonl") == "{\"step\":1,\"loss\":2.5,\"lr\":1e-05,\"a\":null}\n")
        try log.append([.init("step", 2), .init("loss", .double(.nan))])
        try log.close()
        try log.close()
        #expect(try folder.text("metrics.jsonl").hasSuffix("}\n{\"step\":2,\"loss\":null}\n"))
    }

    /// Later steps and a line that was cut off are gone, and the next is appended.
    @Test(arguments: ["{\"step\":4,\"lo", "{\"step\":4}\n{\"step\":5}\n", "\n", ""])
    func goesOnAfterAStep(rest: String) throws {
        let folder = try TemporaryFolder()
        let kept = "{\"step\":1}\n{\"step\":2,\"loss\":null}\n{\"step\":3}\n"
        try (kept + rest).write(toFile: folder.file("m.jsonl"), atomically: true, encoding: .utf8)
        let log = try MetricsLog(continuing: folder.file("m.jsonl"), afterStep: 3)
        #expect(try folder.text("m.jsonl") == kept)
        try log.append([.init("step", 4)])
        try log.sync()
        #expect(try folder.text("m.jsonl") == kept + "{\"step\":4}\n")
        #expect(try folder.names == ["m.jsonl"])
        try log.close()
        let anew = try MetricsLog(continuing: folder.file("m.jsonl"), afterStep: 0)
        try anew.close()
        #expect(try folder.text("m.jsonl") == "")
        let missing = try MetricsLog(continuing: folder.file("other.jsonl"), afterStep: 7)
        try missing.append([.init("step", 8)])
        #expect(try folder.text("other.jsonl") == "{\"step\":8}\n")
    }

    @Test func refusesToOverwrite() throws {
        let folder = try TemporaryFolder()
        try "precious\n".write(toFile: folder.file("metrics.jsonl"), atomically: true, encoding: .utf8)
        let error = #expect(throws: ReportingError.self) { try MetricsLog(path: folder.file("metrics.jsonl")) }
        #expect(error?.description.contains("metrics.jsonl: the file exists") == true)
        #expect(try folder.text("metrics.jsonl") == "precious\n")
    }

    @Test func saysWhyItCannotBeCreated() throws {
        let folder = try TemporaryFolder()
        let error = #expect(throws: ReportingError.self) { try MetricsLog(path: folder.file("no/metrics.jsonl")) }
        #expect(error?.found.contains("No such file or directory") == true)
    }

    @Test func aFullDiskIsAnError() throws {
        let file = OutputFile(descriptor: open("/dev/full", O_WRONLY), path: "metrics.jsonl")
        let error = #expect(throws: ReportingError.self) { try file.write("{}\n") }
        #expect(error?.description.hasPrefix("metrics.jsonl: cannot be written: No space left on device") == true)
    }
}
