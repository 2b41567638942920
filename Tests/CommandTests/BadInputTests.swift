import Foundation
import TestSupport
import Testing

/// One clear message, exit code 2, nothing half-written: on one rank, and on all ranks of a run within ten seconds.
@Suite(.serialized)
struct BadInputTests {
    @Test(arguments: BadInput.allCases)
    func isRefused(_ input: BadInput) async throws {
        let sandbox = try Sandbox()
        let (arguments, says) = try input.prepare(sandbox)
        let before = sandbox.content
        let outcome = try await sandbox.neft(arguments + ["--json"])
        #expect(outcome.exitCode == 2, "\(outcome)")
        #expect(outcome.stdout.isEmpty, "\(outcome)")
        expectOneMessage(outcome, says: says)
        #expect(sandbox.content == before)
    }

    @Test(arguments: [
        BadInput.missingModel, .wrongMagic, .truncatedSafetensors, .wrongShape, .unknownArchitecture, .unknownTokenizer,
        .emptyData, .malformedLine, .rowWithoutTarget, .completionTooLong, .outputExists, .maskOfAnotherModel,
        .topZero, .topTooMuch, .topTooLittle, .labelsMissing, .oneClass, .nothingInAScope, .unknownLayer,
        .stoppingWithoutData, .badValidationRow, .brokenArray,
    ])
    func isRefusedOnAllRanks(_ input: BadInput) async throws {
        let sandbox = try Sandbox()
        let (arguments, says) = try input.prepare(sandbox)
        let before = sandbox.content
        let outcome = try await sandbox.neft(arguments, ranks: 2)
        #expect(outcome.exitCode == 2, "\(outcome)")
        #expect(outcome.seconds < 10, "\(outcome)")
        expectOneMessage(outcome, says: says)
        #expect(!outcome.stderr.contains("rank 0 on"), "the same on all ranks:\n\(outcome)")
        #expect(sandbox.content == before)
    }

    /// Two ranks that see different files under the same name.
    @Test(arguments: ["data", "model", "missing"])
    func ranksThatDisagree(on difference: String) async throws {
        let (first, second) = (try Sandbox(), try Sandbox(seed: difference == "model" ? 2 : 1))
        try first.write("train.jsonl", #"{"prompt": "a", "completion": "b"}"#)
        if difference != "missing" {
            try second.write("train.jsonl", #"{"prompt": "a", "completion": "\#(difference == "data" ? "c" : "b")"}"#)
        }
        let arguments = ["train", "-m", "model", "-d", "train.jsonl", "-o", first.path("RUN")]
        let executable = try ProductPath.executable("neft").path
        let outcome = try await first.neft(
            arguments + [":", "-np", "1", "-wdir", second.folder.path, executable] + arguments, ranks: 1)
        #expect(outcome.exitCode == 2, "\(outcome)")
        #expect(outcome.seconds < 10, "\(outcome)")
        expectOneMessage(outcome, says: ["rank 1 on ", difference == "model" ? "base hash" : "train.jsonl"])
        #expect(!first.exists("RUN"))
    }

    /// Options that differ between ranks.
    @Test func ranksWithDifferentOptions() async throws {
        let sandbox = try Sandbox()
        try sandbox.write("train.jsonl", #"{"prompt": "a", "completion": "b"}"#)
        let arguments = ["train", "-m", "model", "-d", "train.jsonl", "-o", "RUN"]
        let executable = try ProductPath.executable("neft").path
        let outcome = try await sandbox.neft(
            arguments + [":", "-np", "1", "-wdir", sandbox.folder.path, executable] + arguments + ["--epochs", "x"],
            ranks: 1)
        #expect(outcome.exitCode == 2, "\(outcome)")
        expectOneMessage(outcome, says: ["rank 1 on ", "--epochs"])
        #expect(!sandbox.exists("RUN"))
    }

    /// A job with less memory than the profile's gradients and weights take, before any work.
    @Test(arguments: ["gradient", "weight-shift"], [nil, 2])
    func profilesThatDoNotFitInMemory(method: String, ranks: Int?) async throws {
        let sandbox = try Sandbox()
        try sandbox.write("train.jsonl", #"{"prompt": "a", "completion": "b"}"#)
        let before = sandbox.content
        let command = [
            "profile", "-m", "model", "-d", "train.jsonl", "--profile-method", method, "-o", "p.safetensors",
        ]
        let neft = try ProductPath.executable("neft").path
        let outcome = try await sandbox.limited(
            "SLURM_MEM_PER_NODE=50 exec \"$@\"", [neft] + command, ranks: ranks)
        #expect(outcome.exitCode == 2, "\(outcome)")
        let who = ranks == nil ? "a rank" : "2 ranks"
        expectOneMessage(
            outcome, says: ["--profile-method \(method): about ", "GiB needed by \(who)", "0.04883 GiB", "--recompute"])
        #expect(sandbox.content == before)
    }

    private func expectOneMessage(_ outcome: ProcessRunner.Outcome, says: [String]) {
        let messages = outcome.stderr.components(separatedBy: "neft: error: ").dropFirst()
        #expect(messages.count == 1, "\(outcome)")
        for part in says { #expect(messages.first?.contains(part) == true, "\"\(part)\" is missing:\n\(outcome)") }
    }
}
