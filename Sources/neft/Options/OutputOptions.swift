import ArgumentParser
import Foundation

/// Where the result goes.
struct OutputOptions: ParsableArguments {
    @Option(
        name: .shortAndLong, help: ArgumentHelp("Where to write; nothing may be there yet.", valueName: "path"),
        completion: .file())
    var output: String

    /// Refuses a path where something is that would be overwritten; an empty folder is fine for a run.
    func checkIsFree(isFolder: Bool) throws(CommandError) {
        var isDirectory: ObjCBool = false
        guard FileManager.default.fileExists(atPath: output, isDirectory: &isDirectory) else {
            let parent = URL(fileURLWithPath: output).deletingLastPathComponent().path
            if !isFolder, !FileManager.default.fileExists(atPath: parent) {
                throw CommandError(
                    output, found: "its folder does not exist", expected: "a folder to write to",
                    hint: "make it, or choose another --output")
            }
            return
        }
        if isDirectory.boolValue != isFolder {
            throw CommandError(
                output, found: isFolder ? "a file is there" : "a folder is there",
                expected: isFolder ? "a new folder" : "a new file", hint: "choose another --output")
        }
        let content = isFolder ? (try? FileManager.default.contentsOfDirectory(atPath: output)) ?? ["?"] : ["file"]
        guard content.isEmpty else {
            throw CommandError(
                output, found: isFolder ? "the folder exists and is not empty" : "the file exists",
                expected: isFolder ? "a new or empty folder" : "a new file",
                hint: "choose another --output or remove it first")
        }
    }
}
