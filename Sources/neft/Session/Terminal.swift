import Foundation

/// Finds out whether a stream ends on a person's terminal.
enum Terminal {
    /// The number of columns of the terminal on which what is written to `descriptor` is shown as it comes; nil where
    /// it goes elsewhere.
    ///
    /// Under `mpirun` a rank's own streams tell nothing: standard output is a pseudo-terminal even when it ends in a
    /// file, and standard error is a pipe even when it ends on a terminal. `mpirun` passes standard error on as it is,
    /// so there its standard error decides, if it is this rank's parent and adds nothing to the lines.
    static func columns(_ descriptor: Int32, environment: [String: String]) -> Int? {
        if environment["TERM"] == "dumb" { return nil }
        guard environment["OMPI_COMM_WORLD_SIZE"] != nil else { return columns(of: descriptor) }
        let parent = "/proc/\(getppid())"
        guard let line = FileManager.default.contents(atPath: parent + "/cmdline") else { return nil }
        let words = line.split(separator: 0).map { String(decoding: $0, as: UTF8.self) }
        guard passesOutputOn(launcher: words) else { return nil }
        // Not as a controlling terminal, and without waiting for one that hangs.
        let device = open(parent + "/fd/\(descriptor)", O_WRONLY | O_NOCTTY | O_NONBLOCK | O_CLOEXEC)
        guard device >= 0 else { return nil }
        defer { close(device) }
        return columns(of: device)
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

    private static func columns(of descriptor: Int32) -> Int? {
        guard isatty(descriptor) == 1 else { return nil }
        var size = winsize()
        let isKnown = ioctl(descriptor, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
        return isKnown ? Int(size.ws_col) : 80
    }
}
