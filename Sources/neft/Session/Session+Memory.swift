import Models
import Training

extension Session {
    /// The memory that all ranks together hold now, in MiB, what they share counted once. Collective.
    func heldMiB() -> Double {
        communicator.barrier()
        return communicator.allGather(Array("\(ProcessStatus.proportionalMiB)".utf8)).reduce(0) {
            $0 + (Double(String(decoding: $1, as: UTF8.self)) ?? 0)
        }
    }

    /// Refuses a profile whose gradients, or fine-tune of all weights, a host's memory has no room for. Collective.
    /// - Returns: whether every host has room for ranks that each sum the gradients of whole batches.
    func requireMemory(for run: ProfilingRun, on loaded: LoadedModel, data: any TrainingData) throws -> Bool {
        let model = loaded.model
        guard run.method == .gradient || run.method == .weightShift else { return false }
        let hosts = communicator.allGather(Array(communicator.hostName.utf8))
        let neighbours = hosts.count { $0 == hosts[communicator.rank] }
        let hasRoom = try agree {
            var (tokens, targets, longest, leaves) = (0, 0, 0, 1)
            for step in 0..<min(run.steps, data.stepsPerEpoch) {
                let plan = data.step(step)
                leaves = max(leaves, plan.microBatchCount)
                for leaf in 0..<plan.microBatchCount {
                    let batch = plan.microBatch(leaf)
                    tokens = max(tokens, batch.tokenCount)
                    targets = max(targets, batch.targetCount)
                    longest = max(longest, batch.longestRow)
                }
            }
            // One row of all the micro-batch's tokens stands for it.
            let isTrained = run.method == .weightShift
            let count = (isTrained ? model.everyWeight : model.everyNeuron).count
            var plan = CostModel.Plan(
                configuration: model.configuration, selectedCount: count, globalBatch: leaves, microBatch: 1,
                rowTokens: tokens, rowTargets: targets, ranks: communicator.size, ranksPerHost: neighbours,
                linkBytesPerSecond: 1, latencySeconds: 0, threads: loaded.team.threads, compute: model.compute,
                recomputes: model.recomputes)
            let holds = !loaded.sharesWeights
            let needed = CostModel.hostMemoryMiB(plan, updates: isTrained, holdsWeights: holds)
            let available = HostMemory.availableMiB
            if needed <= Double(available) {
                plan.globalBatch = leaves * plan.ranks
                // Scores of a round of batches, in a few copies.
                let scores = Double(neighbours * plan.ranks * 32 * model.neuronCount) / 1_048_576
                // A faster way is not worth the last memory.
                return CostModel.hostMemoryMiB(plan, updates: isTrained, holdsWeights: holds) + scores
                    <= 0.8 * Double(available)
            }
            func gibibytes(_ mebibytes: Double) -> String { "\(Figures.short(mebibytes / 1024)) GiB" }
            throw CommandError(
                "--profile-method \(run.method.rawValue)",
                found: "about \(gibibytes(needed)) needed by \(neighbours == 1 ? "a rank" : "\(neighbours) ranks")",
                expected: "at most \(gibibytes(Double(available))), what \(communicator.hostName) has available",
                hint: (model.recomputes ? "" : "add --recompute, ")
                    + "have one micro-batch per rank (--micro-batch, --global-batch), one rank per host, or use "
                    + "--profile-method \(isTrained ? "gradient or activation" : "activation")")
        }
        return communicator.allGather([hasRoom ? 1 : 0]).allSatisfy { $0 == [1] }
    }
}
