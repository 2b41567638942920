import Foundation
import Kernels
import TestSupport
import Testing

@Suite(.serialized)
struct BenchTests {
    static let step = ["bench", "step", "-m", "model", "--threads", "1", "--batch", "2", "--length", "16"]

    private func json(_ sandbox: Sandbox, _ arguments: [String], ranks: Int? = nil) async throws -> [String: Any] {
        let outcome = try await sandbox.neft(arguments + ["--json"], ranks: ranks)
        #expect(outcome.exitCode == 0, "\(outcome)")
        return try #require(try JSONSerialization.jsonObject(with: Data(outcome.stdout.utf8)) as? [String: Any])
    }

    /// Each rank computes its part; what is reported is of all.
    @Test func stepOnTwoRanks() async throws {
        let sandbox = try Sandbox()
        let one = try await json(sandbox, Self.step + ["--timed-steps", "2"])
        let two = try await json(sandbox, Self.step + ["--timed-steps", "2"], ranks: 2)
        let shared = try await json(sandbox, Self.step + ["--timed-steps", "1", "--micro-batches", "4"], ranks: 2)
        #expect([one, two, shared].map { $0["tokens"] as? Int } == [32, 64, 128])
        #expect([one, two, shared].map { $0["ranks"] as? Int } == [1, 2, 2])
        // Each rank's own products: twice as many for two micro-batches.
        let work = [one, two, shared].compactMap { $0["gemmGigaflop"] as? Double }
        let first = try #require(work.first)
        #expect(work == [first, first, 2 * first])
        let held = try #require(two["heldMiB"] as? Double)
        let peak = try #require(two["peakMiB"] as? Double)
        #expect(held > 1)
        #expect(held <= 2 * peak + 1)
    }

    @Test func kernels() async throws {
        let sandbox = try Sandbox()
        let result = try await json(
            sandbox,
            [
                "bench", "kernels", "-m", "model", "--threads", "1", "--batch", "2", "--length", "32", "--rounds", "1",
                "--seconds", "0.001",
            ])
        let shapes = try #require(result["shapes"] as? [[String: Any]])
        // The tiny model: q and o alike, k and v, gate and up, down; forward, inputs' and rows' gradients; the head.
        let (layers, ofLayer, ofHead) = (2, 7 * 3, 2)
        let count = shapes.reduce(0) { $0 + ($1["count"] as? Int ?? 0) }
        #expect(count == layers * ofLayer + ofHead)
        for shape in shapes {
            for key in ["single", "openBLAS", "singleRatio"] {
                let value = shape[key] as? Double ?? 0
                #expect(value > 0, "\(shape)")
            }
            let isHalf = CPU.hasBFloat16 && shape["product"] as? String != "dyᵀ x"
            #expect((shape["bfloat16"] is Double) == isHalf, "\(shape)")
        }
    }

    @Test func generation() async throws {
        let sandbox = try Sandbox()
        let command = ["bench", "generation", "-m", "model", "--threads", "1", "--batch", "3", "--prompt-length", "8"]
        let result = try await json(sandbox, command + ["--max-new-tokens", "5", "--timed-runs", "1"])
        let (speed, seconds) = (result["tokensPerSecond"] as? Double ?? 0, result["seconds"] as? Double ?? 0)
        #expect(seconds > 0)
        #expect(abs(speed * seconds - 15) < 1e-6)
        let tooLong = try await sandbox.neft(command + ["--max-new-tokens", "5000"])
        #expect(tooLong.exitCode == 2 && tooLong.stderr.contains("the model's context"), "\(tooLong)")
    }

    /// After the first steps a step asks for no memory: eight more steps do not ask eight times more.
    @Test(arguments: [
        ("fp32", false, nil), ("fp32", true, nil), ("bf16", false, nil), ("bf16", true, nil), ("fp32", false, 2),
        ("bf16", true, 2),
    ])
    func stepsAllocateNothing(compute: String, recompute: Bool, ranks: Int?) async throws {
        let sandbox = try Sandbox()
        let library = sandbox.path("count.so")
        let source = FixturePath.committed("allocations/count.c")
        let compiled = try await ProcessRunner.run(
            URL(fileURLWithPath: "/usr/bin/env"), ["clang", "-O1", "-shared", "-fPIC", "-o", library, source, "-ldl"])
        #expect(compiled.exitCode == 0, "\(compiled)")
        let options =
            ["--compute", compute, "--batch", "16", "--length", "64", "--top", "30%"]
            + (recompute ? ["--recompute"] : [])
        func allocations(steps: Int) async throws -> Int {
            let neft = try ProductPath.executable("neft").path
            let outcome = try await sandbox.limited(
                "LD_PRELOAD='\(library)' ALLOCATIONS=count-${OMPI_COMM_WORLD_RANK:-0} exec \"$@\"",
                [neft] + Self.step + options + ["--timed-steps", "\(steps)"], ranks: ranks)
            #expect(outcome.exitCode == 0, "\(outcome)")
            return try (0..<(ranks ?? 1)).reduce(0) { sum, rank in
                let text = String(decoding: try sandbox.read("count-\(rank)"), as: UTF8.self)
                return sum + (try #require(Int(text.trimmingCharacters(in: .whitespacesAndNewlines))))
            }
        }
        let (few, many) = (try await allocations(steps: 2), try await allocations(steps: 10))
        #expect(few > 0)
        // Threads of libraries may begin a little earlier or later.
        #expect(abs(many - few) < 4)
    }
}
