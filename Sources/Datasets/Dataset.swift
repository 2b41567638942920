import Foundation
import Glibc
import Tokenization

/// The rows of a data file, tokenised.
public struct Dataset: Sendable {
    /// The rows in the order of the file, at least one.
    public let rows: [EncodedRow]
    /// The file that was read.
    public let file: String
    /// What its rows have been recognised as.
    public let format: RowFormat
    /// Keys of the first row that are not read, ascending.
    public let unusedKeys: [String]
    /// Rows whose prompt was cut to `maxLength`.
    public let cutPromptCount: Int
    /// Rows left out with `skipBadRows`.
    public let skippedCount: Int

    /// Tokens of all rows.
    public var tokenCount: Int { rows.reduce(0) { $0 + $1.tokens.count } }
    /// Tokens of all rows that are in the loss.
    public var targetCount: Int { rows.reduce(0) { $0 + $1.targetCount } }

    /// Reads a JSONL file or a JSON array.
    ///
    /// - Throws: at the first row that cannot be used, naming file and line, unless such rows are skipped; always for a
    ///   file that is missing, empty or of an unknown form.
    public static func load(_ file: String, tokenizer: Tokenizer, options: DatasetOptions) throws(DatasetError)
        -> Dataset
    {
        let encoder = RowEncoder(tokenizer: tokenizer, template: options.chatTemplate, maxLength: options.maxLength)
        var format: RowFormat?
        var rows: [EncodedRow] = []
        var unusedKeys: [String] = []
        var (cut, skipped) = (0, 0)
        try RowReader(file: file).forEach { (line, parsed) throws(DatasetError) -> Bool in
            do throws(RowProblem) {
                let object = try parsed.get()
                if format == nil {
                    guard let found = RowFormat.of(object, fields: options.fields) else {
                        throw RowFormat.problem(with: object, fields: options.fields)
                    }
                    format = found
                    unusedKeys = found.unusedKeys(of: object, fields: options.fields)
                }
                guard let format else { return true }
                var encoded = try encoder.encode(try format.content(object, fields: options.fields), line: line)
                encoded.row.label = object[options.fields["label"] ?? "label"].flatMap { RowFormat.label($0) }
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
        guard !rows.isEmpty, let format else {
            throw DatasetError(
                file: file, found: skipped > 0 ? "no usable row (\(skipped) skipped)" : "no rows",
                expected: "at least one",
                hint: "check the file")
        }
        return Dataset(
            rows: rows, file: file, format: format, unusedKeys: unusedKeys, cutPromptCount: cut, skippedCount: skipped)
    }

    /// The names of the rows' classes, ascending.
    /// - Throws: at the first row without a label, and when all labels are the same.
    public func classes() throws(DatasetError) -> [String] {
        if let row = rows.first(where: { $0.label == nil }) {
            throw DatasetError(
                file: file, line: row.line, found: "a row without a label",
                expected: "a string or a whole number under \"label\" in every row",
                hint: "add labels, map the key with --field label=NAME, or choose another --profile-method")
        }
        let names = Set(rows.compactMap(\.label)).sorted()
        guard names.count >= 2 else {
            throw DatasetError(
                file: file, found: "one class only, \"\(names.first ?? "")\"", expected: "rows of at least two classes",
                hint: "raise --limit, add rows of another class, or choose another --profile-method")
        }
        return names
    }

    /// The file of a split in a folder; nil where there is none, or `path` is no folder.
    public static func find(_ split: String, in path: String) -> String? {
        let names = ["valid": ["valid", "validation", "dev"]][split] ?? [split]
        let files = names.flatMap { ["\(path)/\($0).jsonl", "\(path)/\($0).json"] }
        return files.first { FileManager.default.fileExists(atPath: $0) }
    }

    /// The file that `path` stands for.
    /// - Throws: where there is none, and where it is empty.
    public static func resolve(_ path: String, split: String) throws(DatasetError) -> String {
        let file = try locate(path, split: split)
        var status = stat()
        if stat(file, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size == 0 {
            throw RowReader.emptyFile(file)
        }
        return file
    }

    private static func locate(_ path: String, split: String) throws(DatasetError) -> String {
        var isFolder: ObjCBool = false
        guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
            throw DatasetError(
                file: path, found: "no such file or folder", expected: "a JSONL file, or a folder with \(split).jsonl",
                hint: "check the path")
        }
        guard isFolder.boolValue else { return path }
        if let file = find(split, in: path) { return file }
        let there = (try? FileManager.default.contentsOfDirectory(atPath: path).sorted().prefix(10)) ?? []
        throw DatasetError(
            file: path, found: there.isEmpty ? "an empty folder" : "only \(there.joined(separator: ", "))",
            expected: "\(split).jsonl", hint: "name the file itself, or add it to the folder")
    }
}
