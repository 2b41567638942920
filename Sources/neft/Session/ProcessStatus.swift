import Foundation

/// What the kernel says of this process in `/proc/self`.
enum ProcessStatus {
    /// The largest amount of memory this process has held, in MiB.
    static var peakMiB: Double {
        let kibibytes = field("VmHWM")?.split(separator: " ").first.flatMap { Double($0) }
        return (kibibytes ?? 0) / 1024
    }

    /// The CPUs this process may run on, as a list such as `0-3,8`.
    static var allowedCPUs: String { field("Cpus_allowed_list") ?? "" }

    /// The memory this process holds now, in MiB; of what several processes share, its part.
    static var proportionalMiB: Double {
        (field("Pss", of: "smaps_rollup")?.split(separator: " ").first.flatMap { Double($0) } ?? 0) / 1024
    }

    static func field(_ name: String, of file: String = "status") -> String? {
        // Files of /proc give no size: they are read to their end.
        guard let file = FileHandle(forReadingAtPath: "/proc/self/\(file)"), let data = try? file.readToEnd() else {
            return nil
        }
        for line in String(decoding: data, as: UTF8.self).split(separator: "\n") where line.hasPrefix(name + ":") {
            return line.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces)
        }
        return nil
    }
}
