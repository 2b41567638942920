import Foundation
import TestSupport
import Testing

/// `neft train --tensorboard`, read back with the tensorboard package (Tests/Fixtures/reporting/read_events.py).
@Suite(.serialized)
struct TensorBoardTests {
    private struct Point: Hashable {
        let step: Int
        let value: Float
    }

    /// What the package reads, by tag.
    private func events(_ sandbox: Sandbox, _ run: String) async throws -> [String: [Point]] {
        let outcome = try await ProcessRunner.run(
            URL(fileURLWithPath: "/usr/bin/env"),
            ["python3", FixturePath.committed("reporting/read_events.py"), sandbox.path("\(run)/tensorboard")],
            timeout: .seconds(300))
        try #require(outcome.exitCode == 0, "\(outcome)")
        let document = try #require(
            try JSONSerialization.jsonObject(with: Data(outcome.stdout.utf8)) as? [String: [[Double]]], "\(outcome)")
        return document.mapValues { $0.map { Point(step: Int($0[0]), value: Float($0[1])) } }
    }

    /// The same numbers from the log of the run.
    private func logged(_ sandbox: Sandbox, _ run: String) throws -> [String: [Point]] {
        var points: [String: [Point]] = [:]
        for line in String(decoding: try sandbox.read("\(run)/metrics.jsonl"), as: UTF8.self).split(separator: "\n") {
            let object = try #require(try JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any])
            let step = try #require(object["step"] as? Int)
            for name in ["loss", "learningRate", "gradientNorm", "tokensPerSecond", "wireBytes", "validationLoss"] {
                guard let value = object[name] as? Double else { continue }
                points[name, default: []].append(Point(step: step, value: Float(value)))
            }
            if let waited = object["exchangeSeconds"] as? Double, let seconds = object["stepSeconds"] as? Double {
                points["exchangeShare", default: []].append(Point(step: step, value: Float(waited / seconds)))
            }
        }
        return points
    }

    /// Rank 0 writes, the package reads every value of every step.
    @Test func thePackageReadsWhatWasLogged() async throws {
        let (sandbox, train) = try ResumeTests.makeSandbox()
        let measuring = ["--tensorboard", "--eval-data", "train.jsonl", "--eval-every", "2"]
        let outcome = try await sandbox.neft(train + measuring + ["-o", "RUN"], ranks: 2)
        #expect(outcome.exitCode == 0, "\(outcome)")
        #expect(sandbox.content.filter { $0.contains("/tensorboard/") }.count == 1)
        let read = try await events(sandbox, "RUN")
        #expect(read == (try logged(sandbox, "RUN")))
        #expect(read.count == 7)
        #expect(read["loss"]?.map(\.step) == Array(1...6))
        #expect(read["validationLoss"]?.map(\.step) == [2, 4, 6])
        #expect(read["wireBytes"]?.allSatisfy { $0.value > 0 } == true)
    }

    /// After an interruption, and gone on with from an older checkpoint: each step once, with what was computed last.
    @Test func goesOnInANewFile() async throws {
        let (sandbox, train) = try ResumeTests.makeSandbox()
        let saving = train + ["--tensorboard", "--save-every", "2", "--keep", "9"]
        #expect(try await sandbox.neft(saving + ["-o", "RUN"]).exitCode == 0)
        for (number, checkpoint) in ["000004", "000002"].enumerated() {
            let again = try await sandbox.neft(saving + ["-o", "RUN", "--resume", "RUN/checkpoint-\(checkpoint)"])
            #expect(again.exitCode == 0, "\(again)")
            #expect(sandbox.content.filter { $0.contains("/tensorboard/") }.count == 2 + number)
            let read = try await events(sandbox, "RUN")
            #expect(read["loss"]?.map(\.step) == Array(1...6))
            #expect(read == (try logged(sandbox, "RUN")))
        }
    }

    /// Nothing is written where it was not asked for, nor left where a run fails before its first step.
    @Test func leavesNothingElse() async throws {
        let (sandbox, train) = try ResumeTests.makeSandbox()
        #expect(try await sandbox.neft(train + ["-o", "plain"]).exitCode == 0)
        #expect(!sandbox.exists("plain/tensorboard"))
        let refused = try await sandbox.neft(
            train + ["-o", "RUN", "--tensorboard", "--projections", "q", "--layers", "99"])
        #expect(refused.exitCode == 2 && !sandbox.exists("RUN"), "\(refused)")
    }
}
