import Checkpoints
import Foundation

/// A file of a tokenizer directory, read whole.
struct SourceFile {
    let path: String
    let data: Data

    init(path: String) throws(TokenizationError) {
        self.path = path
        do throws(SmallFile.Problem) { data = try SmallFile.read(path) } catch {
            throw TokenizationError(
                file: path, found: error.found, expected: "a readable file",
                hint: "a model directory needs tokenizer.json and tokenizer_config.json")
        }
    }

    func decode<Value: Decodable>(_ type: Value.Type) throws(TokenizationError) -> Value {
        if let fault = JSONSyntax.fault(in: data) { throw invalid("not JSON: \(fault)") }
        let decoder = JSONDecoder()
        if let key = CodingUserInfoKey.document { decoder.userInfo[key] = data }
        do {
            return try decoder.decode(type, from: data)
        } catch let error as DecodingError {
            throw describe(error)
        } catch {
            throw invalid("unreadable JSON")
        }
    }

    private func describe(_ error: DecodingError) -> TokenizationError {
        switch error {
        // It is JSON; the decoder does not say where the number is.
        case .dataCorrupted: return invalid("a number out of range")
        case .keyNotFound(let key, let context): return invalid("\(place(context.codingPath + [key])) is missing")
        case .typeMismatch(_, let context), .valueNotFound(_, let context):
            return invalid("\(place(context.codingPath)) has the wrong type")
        @unknown default: return invalid("unreadable JSON")
        }
    }

    private func place(_ path: [any CodingKey]) -> String {
        guard !path.isEmpty else { return "the document" }
        let parts = path.map { key in key.intValue.map { "[\($0)]" } ?? ".\(key.stringValue)" }
        return String(parts.joined().drop { $0 == "." })
    }

    private func invalid(_ found: String) -> TokenizationError {
        TokenizationError(
            file: path, found: found, expected: "the JSON that Hugging Face tokenizers write",
            hint: "the file is damaged or of another kind; fetch it again")
    }
}
