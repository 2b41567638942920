import FileReaders
import Foundation
import Glibc
import TestSupport
import Testing

@testable import neft

/// Files that are wrong: each is refused with one error that names it and what is wrong, soon and in little memory.
@Suite(.serialized) struct MalformedFileTests {
    private static func readOptions(_ path: String) throws {
        _ = try OptionFile(path: path, options: CommandOptions(of: Train.self))
    }

    @Test func validFilesAreRead() throws {
        let (files, base, folder) = try Self.made()
        defer { withExtendedLifetime(folder) {} }
        for reader in FileReader.allCases {
            do { try reader.read(files.valid(reader), base, options: Self.readOptions) } catch {
                Issue.record("\(reader): \(error)")
            }
        }
    }

    @Test func malformedFilesAreRefused() throws {
        let (files, base, folder) = try Self.made()
        defer { withExtendedLifetime(folder) {} }
        #expect(files.cases.count > 600)
        #expect(Set(files.cases.map(\.reader)) == Set(FileReader.allCases))
        let memory = Self.peakMiB
        for file in files.cases {
            let path = "\(files.folder)/\(file.path)"
            // Where the program goes down, this is the last line of its output.
            if ProcessInfo.processInfo.environment["NEFT_TEST_TRACE"] != nil { print(file) }
            let start = ContinuousClock.now
            do {
                try file.reader.read(path, base, options: Self.readOptions)
                if !file.accepted { Issue.record("\(file) was read") }
            } catch {
                let text = "\(error)"
                if file.accepted { Issue.record("\(file) was refused (\(file.why)): \(text)") }
                #expect(FileReader.isRefusal(error) || error is CommandError, "\(file): \(type(of: error)) \(text)")
                for word in file.says where !text.contains(word) {
                    Issue.record("\(file): \"\(word)\" is missing in: \(text.prefix(600))")
                }
            }
            let seconds = (ContinuousClock.now - start) / .seconds(1)
            #expect(seconds < 5, "\(file) took \(seconds) s")
        }
        #expect(Self.peakMiB < memory + 1000, "\(Self.peakMiB) MiB, \(memory) before")
    }

    private static func made() throws -> (MalformedFiles, BaseModel, TemporaryFolder) {
        let folder = try TemporaryFolder()
        let files = try MalformedFiles(making: folder.file("made"))
        return (files, try BaseModel(folder: files.baseModel), folder)
    }

    private static var peakMiB: Int {
        var usage = rusage()
        getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
        return usage.ru_maxrss / 1024
    }
}
