import ArgumentParser
import FileReaders
import Foundation

/// Reads files that are changed at random with every reader of the project, to see that none goes down, hangs or takes
/// much memory. `Tests/long/fuzz` builds it with AddressSanitizer and says how it is used.
@main
struct FuzzReaders: ParsableCommand {
    @Option(help: "CPU seconds per reader.") var seconds = 600.0
    @Option(help: "Of the changes.") var seed: UInt64 = 1
    @Option(help: "Where inputs and findings are kept.") var folder = "/tmp/neft-fuzz"
    @Option(help: "Reads this file or folder once and says what the reader says.") var replay: String?
    @Flag(help: .hidden) var isWorker = false
    @Argument(help: "Readers; all if none is named.") var readers: [FileReader] = FileReader.allCases

    func run() throws {
        if let replay {
            let base = try BaseModel(folder: malformedFiles().baseModel)
            print(Worker.read(readers[0], replay, base) ?? "read")
        } else if isWorker {
            try worker(readers[0]).run(cpuSeconds: seconds)
        } else {
            let findings = try readers.reduce(0) { try $0 + fuzz($1) }
            print("\(findings) findings")
            if findings > 0 { throw ExitCode(1) }
        }
    }

    /// The malformed files, made once for all processes.
    private func malformedFiles() throws -> MalformedFiles {
        let place = "\(folder)/made"
        return FileManager.default.fileExists(atPath: "\(place)/cases.json")
            ? try MalformedFiles(existing: place) : try MalformedFiles(making: place)
    }

    private func worker(_ reader: FileReader) throws -> Worker {
        let own = "\(folder)/\(reader.rawValue)"
        try FileManager.default.createDirectory(atPath: "\(own)/input", withIntermediateDirectories: true)
        return Worker(reader: reader, files: try malformedFiles(), folder: own, seed: seed)
    }

    /// Runs workers until one has come to the end of its time.
    /// - Returns: how many findings there were.
    private func fuzz(_ reader: FileReader) throws -> Int {
        let program = try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/exe")
        let worker = try worker(reader)
        try? FileManager.default.removeItem(atPath: worker.progressPath)
        var crashes = 0
        while crashes < 20 {
            let log = "\(worker.folder)/stderr.txt"
            FileManager.default.createFile(atPath: log, contents: nil)
            let process = Process()
            process.executableURL = URL(fileURLWithPath: program)
            process.arguments = [
                "--is-worker", reader.rawValue, "--seconds", "\(seconds)", "--folder", folder,
                // Other changes than those that ended the one before.
                "--seed", "\(seed &+ UInt64(crashes) << 32)",
            ]
            process.standardError = FileHandle(forWritingAtPath: log)
            try process.run()
            process.waitUntilExit()
            if process.terminationReason == .exit, process.terminationStatus == 0 { break }
            crashes += 1
            let input = "\(worker.folder)/crash-\(crashes)"
            try worker.keep(as: "crash-\(crashes)")
            try? FileManager.default.removeItem(atPath: input + ".txt")
            try? FileManager.default.moveItem(atPath: log, toPath: input + ".txt")
            let only = Inputs(reader, worker.files).only
            print("\(reader.rawValue): went down (\(process.terminationStatus)), see \(input).txt; again with")
            print(
                "  \(program) --folder \(folder) --replay \(input)\(only.isEmpty ? "" : "/\(only)") \(reader.rawValue)")
        }
        let progress = try JSONDecoder().decode(
            Worker.Progress.self, from: Data(contentsOf: URL(fileURLWithPath: worker.progressPath)))
        let untyped = progress.messages.keys.filter { $0.hasPrefix("NOT TYPED") }.sorted()
        for message in untyped { print("\(reader.rawValue): \(message)") }
        print(
            "\(reader.rawValue): \(progress.executions) inputs in \(Int(progress.cpuSeconds)) s, \(progress.accepted) "
                + "read, \(progress.messages.count) different errors, slowest "
                + String(format: "%.2f", progress.slowestSeconds) + " s, peak \(progress.peakMiB) MiB, \(crashes) "
                + "crashes, \(untyped.count) errors without a type")
        return crashes + untyped.count
    }
}

extension FileReader: ExpressibleByArgument {}
