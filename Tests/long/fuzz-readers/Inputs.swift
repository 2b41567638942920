import FileReaders
import Foundation

/// The files of one input, by name; of a reader that takes one file, that alone.
typealias Input = [String: [UInt8]]

/// What is mutated: the valid files of a reader and those of the malformed cases that are small.
struct Inputs {
    let reader: FileReader
    /// The name of the one file; empty for a reader of folders.
    let only: String
    private(set) var all: [Input]

    private static let largest = 1 << 18

    init(_ reader: FileReader, _ files: MalformedFiles) {
        self.reader = reader
        let valid = files.valid(reader)
        var isFolder: ObjCBool = false
        _ = FileManager.default.fileExists(atPath: valid, isDirectory: &isFolder)
        only = isFolder.boolValue ? "" : URL(fileURLWithPath: valid).lastPathComponent
        let folder = isFolder.boolValue ? valid : URL(fileURLWithPath: valid).deletingLastPathComponent().path
        let cases = files.cases.filter { $0.reader == reader }.map {
            "\(files.folder)/cases/\(reader.rawValue)/\($0.name)"
        }
        all = ([folder] + cases).compactMap(Self.read)
    }

    /// Nil where a file is not regular, or large.
    static func read(_ folder: String) -> Input? {
        var input: Input = [:]
        for name in (try? FileManager.default.contentsOfDirectory(atPath: folder).sorted()) ?? [] {
            let facts = try? FileManager.default.attributesOfItem(atPath: "\(folder)/\(name)")
            guard facts?[.type] as? FileAttributeType == .typeRegular, let size = facts?[.size] as? Int,
                size <= largest,
                let data = FileManager.default.contents(atPath: "\(folder)/\(name)")
            else { return nil }
            input[name] = Array(data)
        }
        return input.isEmpty ? nil : input
    }

    /// An input that has shown something new is changed further.
    mutating func add(_ input: Input) { all.append(input) }

    /// A changed input.
    func next(_ mutator: inout Mutator) -> Input {
        var input = all[mutator.below(all.count)]
        let name = input.keys.sorted()[mutator.below(input.count)]
        let other = all[mutator.below(all.count)][name] ?? []
        mutator.mutate(&input[name, default: []], other: other)
        // Otherwise nothing behind the hashes of a checkpoint would ever be read.
        if reader == .checkpoint, name != "manifest.json", mutator.chance(9, of: 10) { Self.relist(&input) }
        return input
    }

    private static func relist(_ input: inout Input) {
        let files = input.filter { $0.key != "manifest.json" }.sorted { $0.key < $1.key }.map { name, bytes in
            #""\#(name)":{"bytes":\#(bytes.count),"sha256":"\#(hash(bytes))"}"#
        }
        input["manifest.json"] = Array(#"{"files":{\#(files.joined(separator: ","))}}"#.utf8)
    }
}
