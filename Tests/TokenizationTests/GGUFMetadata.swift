import Foundation

@testable import Tokenization

/// The metadata of a GGUF file, as much of it as the tokenizer needs.
struct GGUFMetadata {
    private(set) var strings: [String: String] = [:]
    private(set) var integers: [String: Int64] = [:]
    private(set) var stringArrays: [String: [String]] = [:]
    private(set) var integerArrays: [String: [Int32]] = [:]

    init(path: String) throws {
        let data = try Data(contentsOf: URL(fileURLWithPath: path), options: .alwaysMapped)
        var position = 8
        func read<T: FixedWidthInteger>(_: T.Type) -> T {
            defer { position += MemoryLayout<T>.size }
            return data[position..<position + MemoryLayout<T>.size].reversed().reduce(0) { $0 << 8 | T($1) }
        }
        func readString() -> String {
            let count = Int(read(UInt64.self))
            defer { position += count }
            return String(decoding: data[position..<position + count], as: UTF8.self)
        }
        func readInteger(_ type: UInt32) -> Int64 {
            switch type {
            case 0, 1, 7: Int64(read(UInt8.self))
            case 2, 3: Int64(read(UInt16.self))
            case 4, 5, 6: Int64(read(UInt32.self))
            default: Int64(truncatingIfNeeded: read(UInt64.self))
            }
        }
        _ = read(UInt64.self)
        for _ in 0..<read(UInt64.self) {
            let key = readString()
            let type = read(UInt32.self)
            switch type {
            case 8: strings[key] = readString()
            case 9:
                let elementType = read(UInt32.self)
                let count = Int(read(UInt64.self))
                if elementType == 8 {
                    stringArrays[key] = (0..<count).map { _ in readString() }
                } else {
                    integerArrays[key] = (0..<count).map { _ in Int32(truncatingIfNeeded: readInteger(elementType)) }
                }
            default: integers[key] = readInteger(type)
            }
        }
    }

    var vocabulary: GGUFVocabulary {
        let prefix = "tokenizer.ggml."
        func id(_ key: String) -> Int32? { integers["\(prefix)\(key)_token_id"].map { Int32(truncatingIfNeeded: $0) } }
        return GGUFVocabulary(
            model: strings[prefix + "model"] ?? "", pre: strings[prefix + "pre"],
            tokens: stringArrays[prefix + "tokens"] ?? [], tokenTypes: integerArrays[prefix + "token_type"],
            merges: stringArrays[prefix + "merges"] ?? [], bosToken: id("bos"), eosToken: id("eos"),
            unknownToken: id("unknown"), addBOS: integers[prefix + "add_bos_token"] == 1,
            chatTemplate: strings["tokenizer.chat_template"])
    }
}
