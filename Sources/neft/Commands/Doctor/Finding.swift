import Foundation
import Reporting

/// Something wrong with the machines of a run.
struct Finding: Equatable {
    enum Level: String {
        /// The run will fail, or its result will be wrong.
        case error
        /// The run will be slow, or differ in the last bits.
        case warning
    }

    var level: Level
    /// A host, a rank, or what is compared.
    var subject: String
    var text: String
    /// What to do.
    var hint: String

    var line: String { "\(level.rawValue): \(subject): \(text); \(hint)" }

    var json: JSONValue {
        ["level": .string(level.rawValue), "subject": .string(subject), "text": .string(text), "hint": .string(hint)]
    }

    /// Errors first.
    static func all(ranks: [RankReport], links: [Link], environment: [String: String]) -> [Finding] {
        var hosts: [RankReport] = []
        for rank in ranks where !hosts.contains(where: { $0.host == rank.host }) { hosts.append(rank) }
        let findings =
            differences(hosts) + launch(ranks, environment: environment) + threads(ranks) + speed(ranks)
            + memory(hosts, ranks: ranks) + network(links)
        return findings.filter { $0.level == .error } + findings.filter { $0.level == .warning }
    }

    /// Files and libraries that must be the same everywhere.
    private static func differences(_ hosts: [RankReport]) -> [Finding] {
        func compare(
            _ subject: String, _ level: Level, hint: String, _ value: (RankReport) -> String?
        ) -> [Finding] {
            let known = hosts.compactMap { host in value(host).map { (host.host, $0) } }
            guard let first = known.first, let other = known.first(where: { $0.1 != first.1 }) else { return [] }
            return [
                Finding(
                    level: level, subject: subject,
                    text: "\(first.1.prefix(16)) on \(first.0), but \(other.1.prefix(16)) on \(other.0)", hint: hint)
            ]
        }
        let bits = "results will differ in the last bits between runs that place ranks otherwise; use one CPU type"
        return compare("the neft program", .error, hint: "copy one build to all hosts", \.programHash)
            + compare("the model", .error, hint: "copy one model to all hosts", \.modelHash)
            + compare("the data", .error, hint: "copy one file to all hosts", \.dataHash)
            + compare("the MPI library", .error, hint: "use one version on all hosts", \.mpi)
            + compare("OpenBLAS's kernels", .warning, hint: bits, \.blasCoreType)
            + compare("the kernel of large products", .warning, hint: bits, \.gemm)
    }

    private static func launch(_ ranks: [RankReport], environment: [String: String]) -> [Finding] {
        // A launcher whose ranks do not find each other starts every one of them as a whole run of its own.
        guard ranks.count == 1, let tasks = environment["SLURM_NTASKS"].flatMap({ Int($0) }), tasks > 1 else {
            return []
        }
        return [
            Finding(
                level: .error, subject: "launch", text: "Slurm gave \(tasks) tasks, but this is a run of one rank",
                hint: "start with srun --mpi=pmix, or with mpirun inside sbatch or salloc")
        ]
    }

    private static func threads(_ ranks: [RankReport]) -> [Finding] {
        var findings: [Finding] = []
        for (index, rank) in ranks.enumerated() {
            let sharing = ranks.filter { $0.host == rank.host && $0.cpus == rank.cpus }
            guard sharing.first?.rank == rank.rank else { continue }
            let threads = sharing.reduce(0) { $0 + $1.threads }
            if threads > rank.cpuCount {
                findings.append(
                    Finding(
                        level: .warning, subject: rank.host,
                        text:
                            "\(sharing.count) ranks with \(threads) threads share \(rank.cpuCount) CPUs (\(rank.cpus))",
                        hint: "lower --threads, start fewer ranks, or bind them (mpirun --map-by slot:PE=N)"))
            } else if threads < rank.cpuCount {
                findings.append(
                    Finding(
                        level: .warning, subject: rank.host,
                        text: "\(rank.cpuCount - threads) of \(rank.cpuCount) CPUs (\(rank.cpus)) are left idle",
                        hint: "raise --threads or leave it out"))
            }
            if rank.hugePages == "never", ranks[..<index].allSatisfy({ $0.host != rank.host }) {
                findings.append(
                    Finding(
                        level: .warning, subject: rank.host,
                        text: "the system gives no pages of 2 MB; products are slower",
                        hint: "echo madvise > /sys/kernel/mm/transparent_hugepage/enabled"))
            }
        }
        return findings
    }

    private static func speed(_ ranks: [RankReport]) -> [Finding] {
        let perThread = ranks.map { $0.gigaflops / Double($0.threads) }
        let median = perThread.sorted()[perThread.count / 2]
        return zip(ranks, perThread).filter { $0.1 < 0.7 * median }.map { rank, speed in
            Finding(
                level: .warning, subject: "rank \(rank.rank) on \(rank.host)",
                text: String(format: "%.0f Gflop/s per thread where others reach %.0f", speed, median),
                hint: "every step waits for the slowest rank; look for other jobs on its CPUs, or leave the host out")
        }
    }

    private static func memory(_ hosts: [RankReport], ranks: [RankReport]) -> [Finding] {
        hosts.flatMap { host -> [Finding] in
            var findings: [Finding] = []
            if host.availableMiB < host.memoryMiB / 5 {
                findings.append(
                    Finding(
                        level: .warning, subject: host.host,
                        text: "\(host.availableMiB) of \(host.memoryMiB) MiB memory are available",
                        hint: "look for other jobs; neft plan says what a rank needs"))
            }
            let local = ranks.count { $0.host == host.host }
            if local > 1, host.sharedMemoryMiB < 64 * local {
                findings.append(
                    Finding(
                        level: .warning, subject: host.host,
                        text: "/dev/shm has \(host.sharedMemoryMiB) MiB for \(local) ranks that exchange through it",
                        hint: "give it 64 MiB per rank (in a container: --shm-size)"))
            }
            return findings
        }
    }

    private static func network(_ links: [Link]) -> [Finding] {
        let between = links.filter { $0.from != $0.to }
        guard !between.isEmpty else { return [] }
        let median = between.map(\.bytesPerSecond).sorted()[between.count / 2]
        return between.flatMap { link -> [Finding] in
            let name = "\(link.from) – \(link.to)"
            let speed = "\(Human.bytes(Int(link.bytesPerSecond)))/s"
            if link.bytesPerSecond < 0.5 * median {
                return [
                    Finding(
                        level: .warning, subject: name,
                        text: "\(speed) where others reach \(Human.bytes(Int(median)))/s",
                        hint: "look for a bad cable or port, or leave one of the hosts out")
                ]
            }
            if link.bytesPerSecond < 60e6 {
                return [
                    Finding(
                        level: .warning, subject: name, text: "a slow link, \(speed)",
                        hint:
                            "is this the interface you meant (mpirun --mca btl_tcp_if_include)? --wire bf16 sends a third"
                    )
                ]
            }
            return []
        }
    }
}
