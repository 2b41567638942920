import Checkpoints
import Foundation
import Testing

@testable import Tokenization

enum Fixtures {
    private static let package = URL(fileURLWithPath: #filePath)
        .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()

    static let directory = package.appendingPathComponent("Tests/Fixtures/tokenization")

    /// `$NEFT_CACHE`, or `.cache` in the package.
    static var cache: URL {
        let path = ProcessInfo.processInfo.environment["NEFT_CACHE"] ?? ""
        return path.isEmpty ? package.appendingPathComponent(".cache") : URL(fileURLWithPath: path)
    }

    static func decode<Value: Decodable>(_ type: Value.Type, _ file: URL) throws -> Value {
        try JSONDecoder().decode(type, from: Data(contentsOf: file))
    }

    /// SmolLM2's tokenizer, read once.
    static func smolLM2() throws -> Tokenizer { try smolLM2Result.get() }
    static func smolLM2Vocabulary() throws -> GGUFVocabulary { try vocabulary.get() }

    private static let vocabulary = Result {
        let file = cache.appendingPathComponent("models/SmolLM2-135M-Instruct.Q4_1.gguf")
        try #require(
            FileManager.default.fileExists(atPath: file.path), "\(file.path) is missing; download the model first")
        return try GGUFVocabulary(GGUFFile(path: file.path))
    }

    private static let smolLM2Result = Result { try Tokenizer(gguf: vocabulary.get(), file: "SmolLM2") }
}

/// SplitMix64 (Steele et al. 2014): the same numbers on every machine.
struct SeededGenerator: RandomNumberGenerator {
    var state: UInt64

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var mixed = state
        mixed = (mixed ^ (mixed >> 30)) &* 0xBF58_476D_1CE4_E5B9
        mixed = (mixed ^ (mixed >> 27)) &* 0x94D0_49BB_1331_11EB
        return mixed ^ (mixed >> 31)
    }
}
