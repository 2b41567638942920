import ArgumentParser
import Checkpoints
import FileReaders
import Foundation
import Glibc
import TestSupport

func hash(_ bytes: [UInt8]) -> String { BaseHash.ofBytes(bytes) }

/// Options of each kind, for files of options.
private struct Options: ParsableArguments {
    @Option var top: String?
    @Option var epochs = 1
    @Option var learningRate: Double?
    @Option var model: String?
    @Flag var skipBadRows = false
    @Flag var quiet = false
}

/// Reads changed inputs until its time is up. A process of its own, because an input may end it.
struct Worker {
    /// What it has done so far, written after each new finding and now and then.
    struct Progress: Codable {
        /// The next number to take.
        var next = 0
        var executions = 0
        var accepted = 0
        var cpuSeconds = 0.0
        var slowestSeconds = 0.0
        var peakMiB = 0
        /// Errors, numbers and names aside, with how often they came.
        var messages: [String: Int] = [:]
    }

    let reader: FileReader
    let files: MalformedFiles
    /// Where the input is, and where progress is kept.
    let folder: String
    let seed: UInt64

    var progressPath: String { "\(folder)/progress.json" }
    var inputFolder: String { "\(folder)/input" }

    static func read(_ reader: FileReader, _ path: String, _ base: BaseModel) -> String? {
        do {
            try reader.read(path, base) { _ = try OptionFile(path: $0, options: CommandOptions(of: Options.self)) }
            return nil
        } catch {
            let kind = FileReader.isRefusal(error) || error is CommandError ? "" : "NOT TYPED: \(type(of: error)): "
            return "\(kind)\(error)"
        }
    }

    /// - Parameter cpuSeconds: of all processes of the reader.
    func run(cpuSeconds: Double) throws {
        let base = try BaseModel(folder: files.baseModel)
        var inputs = Inputs(reader, files)
        var progress =
            (try? JSONDecoder().decode(Progress.self, from: Data(contentsOf: URL(fileURLWithPath: progressPath))))
            ?? Progress()
        let before = progress.cpuSeconds
        var saved = 0.0
        while progress.cpuSeconds < cpuSeconds {
            var mutator = Mutator(random: TestRandom(seed &* 0x9E37_79B9 &+ UInt64(progress.next)))
            let input = inputs.next(&mutator)
            try write(input)
            progress.next += 1
            let start = Self.cpuSeconds
            // A reader that hangs is ended by the signal.
            alarm(60)
            let message = Self.read(reader, inputs.only.isEmpty ? inputFolder : "\(inputFolder)/\(inputs.only)", base)
            alarm(0)
            let seconds = Self.cpuSeconds - start
            progress.executions += 1
            progress.cpuSeconds = before + Self.cpuSeconds
            if seconds > progress.slowestSeconds {
                progress.slowestSeconds = seconds
                try keep(as: "slowest")
            }
            progress.peakMiB = Self.peakMiB
            if let message {
                let shape = shape(of: message)
                if progress.messages[shape] == nil {
                    inputs.add(input)
                    if message.hasPrefix("NOT TYPED") { try keep(as: "untyped-\(progress.next)") }
                }
                progress.messages[shape, default: 0] += 1
            } else {
                progress.accepted += 1
                // Some of what is read, to go deeper from.
                if inputs.all.count < 5000, mutator.chance(1, of: 50) { inputs.add(input) }
            }
            if progress.cpuSeconds - saved > 2 {
                try save(progress)
                saved = progress.cpuSeconds
            }
        }
        try save(progress)
    }

    private func save(_ progress: Progress) throws {
        try JSONEncoder().encode(progress).write(to: URL(fileURLWithPath: progressPath), options: .atomic)
    }

    private func write(_ input: Input) throws {
        for name in try FileManager.default.contentsOfDirectory(atPath: inputFolder) where input[name] == nil {
            unlink("\(inputFolder)/\(name)")
        }
        for (name, bytes) in input { try Data(bytes).write(to: URL(fileURLWithPath: "\(inputFolder)/\(name)")) }
    }

    /// Copies the input to where it stays.
    func keep(as name: String) throws {
        let place = "\(folder)/\(name)"
        try? FileManager.default.removeItem(atPath: place)
        try FileManager.default.copyItem(atPath: inputFolder, toPath: place)
    }

    /// A message without what differs from input to input.
    private func shape(of message: String) -> String {
        var shape = ""
        var isQuoted = false
        for character in message.replacing(folder, with: "").prefix(400) {
            if character == "\"" { isQuoted.toggle() }
            if isQuoted || (character.isNumber && shape.last == "#") { continue }
            shape.append(character.isNumber ? "#" : character)
        }
        return String(shape.prefix(160))
    }

    private static var cpuSeconds: Double { Double(clock()) / Double(CLOCKS_PER_SEC) }

    private static var peakMiB: Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss / 1024
    }
}
