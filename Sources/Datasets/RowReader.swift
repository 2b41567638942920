import Checkpoints
import Foundation

/// The JSON objects of a file, one per line or as one array.
struct RowReader {
    let file: String

    /// Calls `body` with the line number and the object (or what is wrong with it), until it returns false.
    func forEach(
        _ body: (_ line: Int, _ object: Result<[String: Any], RowProblem>) throws(DatasetError) -> Bool
    ) throws(DatasetError) {
        let mapped: MappedFile
        do throws(CheckpointError) { mapped = try MappedFile(path: file) } catch {
            if error.found == "an empty file" { throw Self.emptyFile(file) }
            throw DatasetError(
                file: file, found: error.found, expected: "a readable file of rows", hint: error.hint)
        }
        defer { withExtendedLifetime(mapped) {} }
        var data = Data(bytesNoCopy: mapped.base, count: mapped.byteCount, deallocator: .none)
        // A byte order mark, as some editors write it.
        if data.starts(with: [0xEF, 0xBB, 0xBF]) { data = data.dropFirst(3) }
        let space: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
        guard let first = data.first(where: { !space.contains($0) }) else {
            throw Self.emptyFile(file)
        }
        if data.starts(with: Array("GGUF".utf8)) {
            throw DatasetError(
                file: file, found: "a GGUF file", expected: "one JSON object per line",
                hint: "a GGUF file is a model: give it with --model")
        }
        if first == UInt8(ascii: "[") { return try forEachItem(data, body) }
        var start = data.startIndex
        var line = 1
        var isFirst = true
        while start < data.endIndex {
            let most = min(data.endIndex, start + Self.longestRow)
            guard let end = data[start..<most].firstIndex(of: 0x0A) ?? (most == data.endIndex ? most : nil) else {
                throw tooLong(line)
            }
            if data[start..<end].contains(where: { !space.contains($0) }) {
                var object = Self.object(data[start..<end])
                if isFirst, case .failure(let problem) = object, let advice = hint(forFirst: data[start..<end]) {
                    object = .failure(RowProblem(found: problem.found, expected: problem.expected, hint: advice))
                }
                isFirst = false
                guard try body(line, object) else { return }
            }
            start = end == data.endIndex ? end : end + 1
            line += 1
        }
    }

    static func emptyFile(_ file: String) -> DatasetError {
        DatasetError(file: file, found: "an empty file", expected: "one JSON object per line", hint: "check the file")
    }

    /// What to do where the first row is no object because the whole file has another form.
    private func hint(forFirst row: Data) -> String? {
        let name = file.lowercased()
        if name.hasSuffix(".csv") || name.hasSuffix(".tsv") {
            return "convert the table to JSON Lines, one object per row of it"
        }
        let start = String(decoding: row.prefix(80), as: UTF8.self)
        guard row.count <= 80, start.trimmingCharacters(in: .whitespacesAndNewlines) == "{" else { return nil }
        return "one object per line: jq -c . \(file)"
    }

    private func forEachItem(
        _ data: Data, _ body: (Int, Result<[String: Any], RowProblem>) throws(DatasetError) -> Bool
    ) throws(DatasetError) {
        var scanner = ArrayScanner(data, longestItem: Self.longestRow)
        while true {
            switch scanner.next() {
            case .item(let range, let line): guard try body(line, Self.object(data[range])) else { return }
            case .end: return
            case .tooLong(let line): throw tooLong(line)
            case .broken(let line):
                throw DatasetError(
                    file: file, line: line, found: "not a whole JSON array",
                    expected: "an array of objects, or one object per line", hint: "check the end of the file")
            }
        }
    }

    /// Far more bytes than any model can take in.
    private static let longestRow = 16 << 20

    private func tooLong(_ line: Int) -> DatasetError {
        DatasetError(
            file: file, line: line, found: "a row of more than \(Self.longestRow) bytes", expected: "rows of text",
            hint: "check the file: it may not be JSON Lines")
    }

    private static func object(_ row: Data) -> Result<[String: Any], RowProblem> {
        let hint = "fix or remove the row, or pass --skip-bad-rows"
        if let fault = JSONSyntax.fault(in: row) {
            if fault.found == JSONSyntax.notUTF8 {
                return .failure(
                    RowProblem(
                        found: "not UTF-8", expected: "UTF-8 text", hint: "convert the file, for example with iconv"))
            }
            let place = fault.line == 1 ? "column \(fault.column)" : "line \(fault.line) of the row"
            return .failure(
                RowProblem(found: "malformed JSON, \(fault.found) at \(place)", expected: "one JSON object", hint: hint)
            )
        }
        guard let object = try? JSONSerialization.jsonObject(with: row, options: .fragmentsAllowed) as? [String: Any]
        else { return .failure(notAnObject) }
        return .success(object)
    }

    private static let notAnObject = RowProblem(
        found: "JSON that is not an object", expected: "an object such as {\"prompt\": …, \"completion\": …}",
        hint: "fix or remove the row, or pass --skip-bad-rows")
}
