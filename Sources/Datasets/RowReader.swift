import Foundation

/// The JSON objects of a file, one per line or as one array.
struct RowReader {
    let file: String

    /// Calls `body` with the line number and the object (or what is wrong with it), until it returns false.
    func forEach(
        _ body: (_ line: Int, _ object: Result<[String: Any], RowProblem>) throws(DatasetError) -> Bool
    ) throws(DatasetError) {
        guard let data = try? Data(contentsOf: URL(fileURLWithPath: file), options: .mappedIfSafe) else {
            throw DatasetError(
                file: file, found: "cannot be read", expected: "a readable file", hint: "check its permissions")
        }
        let space: Set<UInt8> = [0x20, 0x09, 0x0A, 0x0D]
        guard let first = data.first(where: { !space.contains($0) }) else {
            throw DatasetError(
                file: file, found: "an empty file", expected: "one JSON object per line", hint: "check the file")
        }
        if first == UInt8(ascii: "[") { return try forEachItem(data, body) }
        var start = data.startIndex
        var line = 1
        while start < data.endIndex {
            let end = data[start...].firstIndex(of: 0x0A) ?? data.endIndex
            if data[start..<end].contains(where: { !space.contains($0) }) {
                guard try body(line, Self.object(data[start..<end])) else { return }
            }
            start = end == data.endIndex ? end : end + 1
            line += 1
        }
    }

    private func forEachItem(
        _ data: Data, _ body: (Int, Result<[String: Any], RowProblem>) throws(DatasetError) -> Bool
    ) throws(DatasetError) {
        var scanner = ArrayScanner(data)
        while true {
            switch scanner.next() {
            case .item(let range, let line): guard try body(line, Self.object(data[range])) else { return }
            case .end: return
            case .broken(let line):
                throw DatasetError(
                    file: file, line: line, found: "not a whole JSON array",
                    expected: "an array of objects, or one object per line", hint: "check the end of the file")
            }
        }
    }

    private static func object(_ line: Data) -> Result<[String: Any], RowProblem> {
        guard String(data: line, encoding: .utf8) != nil else {
            return .failure(
                RowProblem(found: "not UTF-8", expected: "UTF-8 text", hint: "convert the file, for example with iconv")
            )
        }
        do {
            guard
                let object = try JSONSerialization.jsonObject(with: line, options: .fragmentsAllowed) as? [String: Any]
            else {
                return .failure(notAnObject)
            }
            return .success(object)
        } catch {
            return .failure(
                RowProblem(
                    found: "malformed JSON", expected: "one JSON object",
                    hint: "fix or remove the line, or pass --skip-bad-rows"))
        }
    }

    private static let notAnObject = RowProblem(
        found: "JSON that is not an object", expected: "an object such as {\"prompt\": …, \"completion\": …}",
        hint: "fix or remove the row, or pass --skip-bad-rows")
}
