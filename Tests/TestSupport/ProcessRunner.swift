import Foundation

/// Runs other programs: `neft`, `mpirun`.
public enum ProcessRunner {
    /// What a program left behind.
    public struct Outcome: Sendable, CustomStringConvertible {
        /// Its exit code; 128 + the signal's number if a signal ended it.
        public let exitCode: Int32
        public let stdout: String
        public let stderr: String
        /// Whether it was ended because its time was up.
        public let timedOut: Bool
        public let seconds: Double

        public var description: String {
            "exit code \(exitCode)\(timedOut ? " (timed out)" : "") after \(seconds) s\n--- stdout\n\(stdout)\n--- stderr\n\(stderr)"
        }
    }

    /// Runs `executable` and waits for it. When its time is up it is asked to end, and killed three seconds later.
    ///
    /// Its output goes to files, so that it never waits for a reader however much it writes.
    /// - Parameters:
    ///   - environment: added to this process's own.
    ///   - input: its standard input; empty by default.
    ///   - meanwhile: called with its process id while it runs.
    public static func run(
        _ executable: URL, _ arguments: [String], environment: [String: String] = [:], directory: URL? = nil,
        input: String = "", timeout: Duration = .seconds(60), meanwhile: ((pid_t) async throws -> Void)? = nil
    ) async throws -> Outcome {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent("neft-test-\(UUID().uuidString)")
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        defer { try? FileManager.default.removeItem(at: folder) }
        let files = ["stdin", "stdout", "stderr"].map { folder.appendingPathComponent($0) }
        try Data(input.utf8).write(to: files[0])
        for file in files[1...] { try Data().write(to: file) }

        let process = Process()
        process.executableURL = executable
        process.arguments = arguments
        process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
        if let directory { process.currentDirectoryURL = directory }
        process.standardInput = try FileHandle(forReadingFrom: files[0])
        process.standardOutput = try FileHandle(forWritingTo: files[1])
        process.standardError = try FileHandle(forWritingTo: files[2])

        let clock = ContinuousClock()
        let start = clock.now
        try runUnmasked(process)
        do { try await meanwhile?(process.processIdentifier) } catch {
            kill(process.processIdentifier, SIGTERM)
            process.waitUntilExit()
            throw error
        }
        var timedOut = false
        var killAt = start + timeout
        while process.isRunning {
            if clock.now >= killAt {
                kill(process.processIdentifier, timedOut ? SIGKILL : SIGTERM)
                timedOut = true
                killAt = clock.now + .seconds(3)
            }
            do {
                try await Task.sleep(for: .milliseconds(10))
            } catch {
                kill(process.processIdentifier, SIGKILL)
                throw error
            }
        }
        process.waitUntilExit()
        let seconds = (clock.now - start) / .seconds(1)
        let signalled = process.terminationReason == .uncaughtSignal
        return Outcome(
            exitCode: process.terminationStatus + (signalled ? 128 : 0),
            stdout: String(decoding: try Data(contentsOf: files[1]), as: UTF8.self),
            stderr: String(decoding: try Data(contentsOf: files[2]), as: UTF8.self),
            timedOut: timedOut, seconds: seconds)
    }

    /// Starts a process that gets every signal: it would inherit the mask of this thread, which belongs to a pool whose
    /// threads block them.
    private static func runUnmasked(_ process: Process) throws {
        var (none, old) = (sigset_t(), sigset_t())
        sigemptyset(&none)
        pthread_sigmask(SIG_SETMASK, &none, &old)
        defer { pthread_sigmask(SIG_SETMASK, &old, nil) }
        try process.run()
    }

    /// Runs `executable` on `ranks` ranks of this host under `mpirun`, more ranks than cores if need be.
    public static func mpirun(
        ranks: Int, _ executable: URL, _ arguments: [String], environment: [String: String] = [:],
        options: [String] = [], timeout: Duration = .seconds(120), meanwhile: ((pid_t) async throws -> Void)? = nil
    ) async throws -> Outcome {
        var environment = environment
        // Without them Open MPI refuses to start as root; for others they mean nothing.
        if geteuid() == 0 {
            environment["OMPI_ALLOW_RUN_AS_ROOT"] = "1"
            environment["OMPI_ALLOW_RUN_AS_ROOT_CONFIRM"] = "1"
        }
        // No ssh is needed on one host, but its absence stops mpirun.
        environment["OMPI_MCA_plm_rsh_agent"] = ""
        // Ranks that share a core must give it up while they wait inside the library.
        environment["OMPI_MCA_mpi_yield_when_idle"] = "1"
        let standard = ["--oversubscribe", "--bind-to", "none", "-np", "\(ranks)"]
        return try await run(
            URL(fileURLWithPath: "/usr/bin/env"), ["mpirun"] + standard + options + [executable.path] + arguments,
            environment: environment, timeout: timeout, meanwhile: meanwhile)
    }

    /// The processes that `process` has started and that have not ended, ascending.
    public static func children(of process: pid_t) -> [pid_t] {
        let all = (try? FileManager.default.contentsOfDirectory(atPath: "/proc"))?.compactMap { pid_t($0) } ?? []
        return all.filter { state(of: $0)?.parent == process }.sorted()
    }

    /// Whether a process is there and has not ended.
    public static func isAlive(_ process: pid_t) -> Bool { state(of: process).map { $0.letter != "Z" } ?? false }

    private static func state(of process: pid_t) -> (letter: Character, parent: pid_t)? {
        guard let handle = FileHandle(forReadingAtPath: "/proc/\(process)/stat"), let data = try? handle.readToEnd()
        else { return nil }
        // The name in parentheses may hold anything.
        let fields = String(decoding: data, as: UTF8.self).split(separator: ")").last?.split(separator: " ") ?? []
        guard fields.count > 1, let letter = fields[0].first, let parent = pid_t(fields[1]) else { return nil }
        return (letter, parent)
    }
}
