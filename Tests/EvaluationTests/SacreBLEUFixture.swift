import Foundation

/// Reference figures made by `Tests/Fixtures/evaluation/make.py`.
struct SacreBLEUFixture: Decodable {
    struct Group: Decodable {
        let name: String
        let bleu: Double
        let chrf: Double
        /// Lengths, correct and total counts, `[10]`.
        let bleuStatistics: [Int]
        /// Hypothesis, reference and match counts of each order in turn, `[18]`.
        let chrfStatistics: [Int]
        let pairs: [Pair]
    }

    struct Pair: Decodable {
        let hypothesis: String
        let reference: String
        let bleu: Double
        let chrf: Double

        init(from decoder: any Decoder) throws {
            var values = try decoder.unkeyedContainer()
            hypothesis = try values.decode(String.self)
            reference = try values.decode(String.self)
            bleu = try values.decode(Double.self)
            chrf = try values.decode(Double.self)
        }
    }

    struct Tokenization: Decodable {
        let text: String
        let tokens: [String]

        init(from decoder: any Decoder) throws {
            var values = try decoder.unkeyedContainer()
            text = try values.decode(String.self)
            tokens = try values.decode([String].self)
        }
    }

    let groups: [Group]
    let tokenization: [Tokenization]

    static func load() throws -> SacreBLEUFixture {
        let file = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
            .appendingPathComponent("Fixtures/evaluation/sacrebleu.json")
        return try JSONDecoder().decode(SacreBLEUFixture.self, from: Data(contentsOf: file))
    }
}
