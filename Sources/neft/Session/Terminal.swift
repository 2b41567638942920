import Foundation

/// Decides whether a stream is a person's terminal.
enum Terminal {
    /// Whether what is written to `descriptor` is shown on a terminal as it comes.
    ///
    /// Under `mpirun` a rank's own streams tell nothing: standard output is a pseudo-terminal even when it ends in a
    /// file, and standard error is a pipe even when it ends on a terminal. `mpirun` passes standard error on as it is,
    /// so there its standard error decides, if it is this rank's parent and adds nothing to the lines.
    static func isTerminal(_ descriptor: Int32, environment: [String: String]) -> Bool {
        if environment["TERM"] == "dumb" { return false }
        guard environment["OMPI_COMM_WORLD_SIZE"] != nil else { return isatty(descriptor) == 1 }
        let parent = "/proc/\(getppid())"
        guard let line = FileManager.default.contents(atPath: parent + "/cmdline") else { return false }
        let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        return passesOutputOn(launcher: words) && isTerminalDevice(parent + "/fd/\(descriptor)")
    }

    /// Whether a launcher's command line is that of an `mpirun` that passes output on as it comes.
    static func passesOutputOn(launcher words: [String]) -> Bool {
        guard let name = words.first?.split(separator: "/").last, ["mpirun", "mpiexec", "orterun"].contains(name) else {
            return false
        }
        let changes = ["output-filename", "tag-output", "timestamp-output", "xml", "xml-file", "xterm"]
        return !words.contains { word in
            word.hasPrefix("-") && changes.contains(String(word.drop { $0 == "-" }.prefix { $0 != "=" }))
        }
    }

    private static func isTerminalDevice(_ link: String) -> Bool {
        guard let target = try? FileManager.default.destinationOfSymbolicLink(atPath: link) else { return false }
        return target.hasPrefix("/dev/pts/") || target.hasPrefix("/dev/tty") || target == "/dev/console"
    }
}
