import Testing

/// What a run's result does not depend on: with a power of two of ranks on nothing but the run's own options, otherwise
/// only on the number of ranks. Six micro-batches per step and more values than one owner takes.
struct DeterminismTests {
    private func adapter(_ sandbox: Sandbox, _ train: [String], ranks: Int?) async throws -> [UInt8] {
        let run = "run-\(sandbox.content.count)"
        let outcome = try await sandbox.neft(train + ["-o", run], ranks: ranks)
        #expect(outcome.exitCode == 0, "\(outcome)")
        return Array(try sandbox.read("\(run)/final/adapter.safetensors"))
    }

    private static let exchanges: [[String]] = [
        ["--wire", "exact", "--codec", "zstd"], ["--wire", "raw", "--exchange", "allreduce"],
        ["--hierarchy", "on", "--wire", "raw"], ["--hierarchy", "off", "--codec", "auto"],
        ["--wire", "exact", "--codec", "none"], ["--exchange", "allreduce"], ["--wire", "raw"],
    ]

    @Test(arguments: [(2, exchanges.prefix(3)), (4, exchanges[...]), (8, exchanges.prefix(3))])
    func powersOfTwoGiveTheBytesOfOneRank(ranks: Int, exchanges: ArraySlice<[String]>) async throws {
        let (sandbox, train) = try ResumeTests.makeSandbox(steps: 4, microBatch: 1)
        let one = try await adapter(sandbox, train, ranks: nil)
        for options in exchanges {
            #expect(try await adapter(sandbox, train + options, ranks: ranks) == one, "\(options)")
        }
    }

    @Test func otherCountsAndTheLossyWireRepeatThemselves() async throws {
        let (sandbox, train) = try ResumeTests.makeSandbox(steps: 4, microBatch: 1)
        let one = try await adapter(sandbox, train, ranks: nil)
        #expect(try await adapter(sandbox, train, ranks: 3) == adapter(sandbox, train + ["--wire", "raw"], ranks: 3))
        for ranks in [2, 3] {
            let lossy = train + ["--wire", "bf16"]
            let first = try await adapter(sandbox, lossy, ranks: ranks)
            #expect(try await adapter(sandbox, lossy, ranks: ranks) == first)
            #expect(first != one, "nothing was rounded")
        }
    }

    /// Ranks that have nothing to compute in a step take part all the same.
    @Test func moreRanksThanMicroBatches() async throws {
        let (sandbox, train) = try ResumeTests.makeSandbox(steps: 2)
        let one = try await adapter(sandbox, train, ranks: nil)
        for options in [[], ["--hierarchy", "on"], ["--exchange", "allreduce"]] {
            #expect(try await adapter(sandbox, train + options, ranks: 8) == one, "\(options)")
        }
    }
}
