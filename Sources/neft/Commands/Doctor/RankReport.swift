import Checkpoints
import Collectives
import Datasets
import Foundation
import Kernels
import Reporting

/// What a support person would ask of a rank and its host.
struct RankReport: Codable, Equatable {
    var rank: Int
    var host: String
    var version: String
    /// SHA-256 of the program's file.
    var programHash: String
    var cpuModel: String
    /// CPUs that the rank may run on, as a list such as `0-3,8`, and their number.
    var cpus: String
    var cpuCount: Int
    var threads: Int
    /// What computes large products, and OpenBLAS's kernels.
    var gemm: String
    var blasCoreType: String
    var mpi: String
    /// 1e9 operations per second with all ranks computing at once.
    var gigaflops = 0.0
    var memoryMiB: Int
    var availableMiB: Int
    /// Free space of /dev/shm, through which ranks of a host exchange.
    var sharedMemoryMiB: Int
    /// `always`, `madvise` or `never`: whether the system gives pages of 2 MB.
    var hugePages: String
    /// Of `--model` and `--data`; nil where none was given, or where another rank of the host answers.
    var modelHash: String?
    var dataHash: String?

    /// This rank's. Throws where model or data cannot be read.
    static func gather(_ options: DoctorOptions, threads: Int, in session: Session) throws -> RankReport {
        var report = RankReport(
            rank: session.communicator.rank, host: session.communicator.hostName, version: Version.current,
            programHash: (try? BaseHash.ofFile("/proc/self/exe")) ?? "unknown", cpuModel: RunManifest.localCPUModel(),
            cpus: ProcessStatus.allowedCPUs, cpuCount: CPU.available, threads: threads,
            gemm: LibraryVersions.all(compute: CPU.hasBFloat16 ? .bfloat16 : .float32)["gemm"] ?? "",
            blasCoreType: BLAS.coreType,
            mpi: LibraryVersions.mpi, memoryMiB: HostMemory.totalMiB, availableMiB: HostMemory.availableMiB,
            sharedMemoryMiB: freeMiB(of: "/dev/shm"), hugePages: hugePages())
        // Once per host where that is known; files are large.
        if ProcessInfo.processInfo.environment["OMPI_COMM_WORLD_LOCAL_RANK"] ?? "0" == "0" {
            report.modelHash = try options.model.map { path in
                try BaseHash.ofBytes(
                    ModelFiles.open(path).paths.map { try BaseHash.ofFile($0) }.joined().utf8.map { $0 })
            }
            report.dataHash = try options.data.map { try BaseHash.ofFile(Dataset.resolve($0, split: "train")) }
        }
        return report
    }

    private static func freeMiB(of path: String) -> Int {
        let attributes = try? FileManager.default.attributesOfFileSystem(forPath: path)
        return ((attributes?[.systemFreeSize] as? NSNumber)?.intValue ?? 0) >> 20
    }

    /// The word in brackets of `always [madvise] never`.
    private static func hugePages() -> String {
        let text = HostMemory.read("/sys/kernel/mm/transparent_hugepage/enabled")
        return text.split(separator: "[").last.flatMap { $0.split(separator: "]").first.map(String.init) } ?? "unknown"
    }

    /// A line per host and one per rank.
    static func lines(_ ranks: [RankReport]) -> [String] {
        var lines: [String] = []
        for (index, rank) in ranks.enumerated() {
            if ranks[..<index].allSatisfy({ $0.host != rank.host }) {
                lines.append(
                    "\(rank.host): \(rank.cpuModel), \(rank.memoryMiB) MiB memory (\(rank.availableMiB) available), "
                        + "products by \(rank.gemm), OpenBLAS \(rank.blasCoreType), pages of 2 MB: \(rank.hugePages), "
                        + "/dev/shm \(rank.sharedMemoryMiB) MiB free, \(rank.mpi)")
                let hashes =
                    [("neft \(rank.version)", rank.programHash as String?), ("model", rank.modelHash)]
                    + [("data", rank.dataHash)]
                lines.append(
                    "  "
                        + hashes.compactMap { name, hash in hash.map { "\(name) \($0.prefix(12))" } }
                        .joined(separator: ", "))
            }
            lines.append(
                "  rank \(rank.rank): \(rank.threads) threads on \(rank.cpuCount) CPUs (\(rank.cpus)), "
                    + "\(Int(rank.gigaflops.rounded())) Gflop/s")
        }
        return lines
    }

    var json: JSONValue {
        func text(_ value: String?) -> JSONValue { value.map { .string($0) } ?? .null }
        return [
            "rank": .int(rank), "host": .string(host), "version": .string(version),
            "programHash": .string(programHash), "cpuModel": .string(cpuModel), "cpus": .string(cpus),
            "cpuCount": .int(cpuCount), "threads": .int(threads), "gemm": .string(gemm),
            "blasCoreType": .string(blasCoreType), "mpi": .string(mpi), "gigaflops": .double(gigaflops),
            "memoryMiB": .int(memoryMiB), "availableMiB": .int(availableMiB),
            "sharedMemoryMiB": .int(sharedMemoryMiB), "hugePages": .string(hugePages),
            "modelHash": text(modelHash), "dataHash": text(dataHash),
        ]
    }
}
