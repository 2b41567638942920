import Collectives
import Foundation
import Kernels
import Models

extension Session {
    /// What products with weights are computed in: the same on all ranks, so that replicas agree. Collective. Says where
    /// it is not what the user asked for.
    func compute(requested: ComputeChoice) -> ComputeType {
        guard requested != .fp32 else { return .float32 }
        let hosts = communicator.allGather(Array((CPU.hasBFloat16 ? "" : communicator.hostName).utf8))
        guard let without = hosts.first(where: { !$0.isEmpty }) else { return .bfloat16 }
        if requested == .bf16 {
            console.warn(
                "the CPU of \(String(decoding: without, as: UTF8.self)) does not multiply bfloat16 (AVX512_BF16): "
                    + "computing in fp32")
        }
        return .float32
    }

    /// The threads this rank computes with: what the user asked for, else this rank's part of the CPUs it may use; where
    /// srun started it, no more than a task has, which some clusters do not bind to them. Collective. Warns where ranks ask for more threads than they have CPUs.
    func threads(requested: Int?) -> Int {
        let available = CPU.available
        // Ranks that a launcher has not bound to cores of their own share the same ones.
        let pools = communicator.allGather(Array("\(communicator.hostName) \(ProcessStatus.allowedCPUs)".utf8))
        let sharing = pools.count { $0 == pools[communicator.rank] }
        let environment = ProcessInfo.processInfo.environment
        let isMPIRun = environment["OMPI_COMM_WORLD_SIZE"] != nil  // It binds ranks by itself.
        let ofTask = isMPIRun ? nil : environment["SLURM_CPUS_PER_TASK"].flatMap { Int($0) }
        let threads = requested ?? max(1, min(available / sharing, ofTask ?? available))
        let report = communicator.allGather(Array("\(threads * sharing) \(available) \(sharing)".utf8))
        for (rank, bytes) in report.enumerated() {
            let figures = String(decoding: bytes, as: UTF8.self).split(separator: " ").compactMap { Int($0) }
            guard figures[0] > figures[1] else { continue }
            let who =
                sharing == 1 ? "rank \(rank) computes" : "\(figures[2]) ranks that share CPUs with rank \(rank) compute"
            console.warn(
                "\(who) on \(figures[0]) threads with \(figures[1]) CPUs: slow; lower --threads, start fewer ranks, "
                    + "or bind them (mpirun --map-by slot:PE=N)")
            break
        }
        return threads
    }
}
