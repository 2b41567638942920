import Collectives
import Kernels

extension Session {
    /// The threads this rank computes with: what the user asked for, else this rank's part of the CPUs it may use.
    /// Collective. Warns where ranks ask for more threads than they have CPUs.
    func threads(requested: Int?) -> Int {
        let available = CPU.available
        // Ranks that a launcher has not bound to cores of their own share the same ones.
        let pools = communicator.allGather(Array("\(communicator.hostName) \(ProcessStatus.allowedCPUs)".utf8))
        let sharing = pools.count { $0 == pools[communicator.rank] }
        let threads = requested ?? max(1, available / sharing)
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
