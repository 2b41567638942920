import Foundation

/// The memory of this host, as far as this process may use it; in MiB.
enum HostMemory {
    static var totalMiB: Int { field("MemTotal") }

    /// What can be had without swapping: of the host, of the process's control group where that is limited, and at most
    /// what a Slurm job was given.
    static var availableMiB: Int {
        let job = ProcessInfo.processInfo.environment["SLURM_MEM_PER_NODE"].flatMap { Int($0) } ?? 0
        return min(field("MemAvailable"), groupMiB ?? .max, job > 0 ? job : .max)
    }

    private static func field(_ name: String) -> Int {
        let line = read("/proc/meminfo").split(separator: "\n").first { $0.hasPrefix(name + ":") }
        return (line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0) / 1024
    }

    /// Of a job's control group (version 2): its limit without what is held and cannot be given back.
    private static var groupMiB: Int? {
        guard
            let path = read("/proc/self/cgroup").split(separator: "\n").first(where: { $0.hasPrefix("0::") })?
                .dropFirst(3)
        else { return nil }
        let folder = "/sys/fs/cgroup" + path
        func bytes(_ text: some StringProtocol) -> Int? { Int(text.trimmingCharacters(in: .whitespacesAndNewlines)) }
        guard let limit = bytes(read(folder + "/memory.max")), let held = bytes(read(folder + "/memory.current")) else {
            return nil
        }
        let cached = read(folder + "/memory.stat").split(separator: "\n").first { $0.hasPrefix("inactive_file ") }
        return (limit - held + (cached?.split(separator: " ").last.flatMap { bytes($0) } ?? 0)) >> 20
    }

    static func read(_ path: String) -> String {
        // Files of /proc give no size: they are read to their end.
        guard let file = FileHandle(forReadingAtPath: path), let data = try? file.readToEnd() else { return "" }
        return String(decoding: data, as: UTF8.self)
    }
}
