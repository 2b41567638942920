import Foundation
import Tokenization

/// The rows of a data file, tokenised.
public struct Dataset: Sendable {
    public let rows: [EncodedRow]
    /// The file that was read.
    public let file: String
    /// Rows whose prompt was cut to `maxLength`.
    public let cutPromptCount: Int
    /// Rows left out with `skipBadRows`.
    public let skippedCount: Int

    public var tokenCount: Int { rows.reduce(0) { $0 + $1.tokens.count } }
    public var targetCount: Int { rows.reduce(0) { $0 + $1.targetCount } }

    /// Reads a JSONL file, a JSON array, or one split of a folder that holds such files.
    ///
    /// - Parameters:
    ///   - path: a file, or a folder with `train.jsonl`, `valid.jsonl`, `test.jsonl` (or `.json`).
    /// - Throws: at the first row that cannot be used, naming file and line, unless such rows are skipped; always for a
    ///   file that is missing, empty or of an unknown form.
    public static func load(_ path: String, tokenizer: Tokenizer, options: DatasetOptions) throws(DatasetError)
        -> Dataset
    {
        let file = try resolve(path, split: options.split)
        let encoder = RowEncoder(tokenizer: tokenizer, template: options.chatTemplate, maxLength: options.maxLength)
        var format: RowFormat?
        var rows: [EncodedRow] = []
        var (cut, skipped) = (0, 0)
        try RowReader(file: file).forEach { (line, parsed) throws(DatasetError) -> Bool in
            do throws(RowProblem) {
                let object = try parsed.get()
                if format == nil {
                    guard let found = RowFormat.of(object, fields: options.fields) else {
                        throw RowProblem(
                            found: "keys \(object.keys.sorted().map { "\"\($0)\"" }.joined(separator: ", "))",
                            expected: RowFormat.description,
                            hint: "rename the keys, or map them: --field prompt=question")
                    }
                    format = found
                }
                guard let format else { return true }
                let encoded = try encoder.encode(try format.content(object, fields: options.fields), line: line)
                rows.append(encoded.row)
                cut += encoded.isCut ? 1 : 0
            } catch {
                guard options.skipBadRows else {
                    throw DatasetError(
                        file: file, line: line, found: error.found, expected: error.expected, hint: error.hint)
                }
                skipped += 1
            }
            return options.limit.map { rows.count < $0 } ?? true
        }
        guard !rows.isEmpty else {
            throw DatasetError(
                file: file, found: skipped > 0 ? "no usable row (\(skipped) skipped)" : "no rows",
                expected: "at least one",
                hint: "check the file")
        }
        return Dataset(rows: rows, file: file, cutPromptCount: cut, skippedCount: skipped)
    }

    /// The file that `path` stands for.
    public static func resolve(_ path: String, split: String) throws(DatasetError) -> String {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw DatasetError(
                file: path, found: "no such file or folder", expected: "a JSONL file, or a folder with \(split).jsonl",
                hint: "check the path given with --data")
        }
        guard isFolder.boolValue else { return path }
        let names = ["valid": ["valid", "validation", "dev"]][split] ?? [split]
        for name in names {
            for ending in ["jsonl", "json"] where FileManager.default.fileExists(atPath: "\(path)/\(name).\(ending)") {
                return "\(path)/\(name).\(ending)"
            }
        }
        let there = (try? FileManager.default.contentsOfDirectory(atPath: path).sorted().prefix(10)) ?? []
        throw DatasetError(
            file: path, found: there.isEmpty ? "an empty folder" : "only \(there.joined(separator: ", "))",
            expected: "\(split).jsonl", hint: "name the file itself, or add it to the folder")
    }
}
