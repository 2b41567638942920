import Checkpoints
import Datasets
import Foundation
import Models

/// The fixtures of `Tests/Fixtures/parity`, see the README there.
public enum ParityFixture {
    public struct Row: Decodable, Sendable {
        public let tokens: [Int32]
        public let isTarget: [Bool]
    }

    public struct Curve: Decodable, Sendable {
        public let weightDecay: Double
        public let maxGradNorm: Double
        public let learningRates: [Double]
        public let microBatches: [[[Int]]]
        public let losses: [Double]
        public let gradNorms: [Double]
    }

    public struct Curves: Decodable, Sendable {
        public let neft: Curve
        public let full: Curve
    }

    public struct Real: Decodable, Sendable {
        public struct Logits: Decodable, Sendable {
            public let positions: [Int32]
            public let argmax: [Int]
            public let norm: [Double]
        }
        public let rows: [Row]
        public let vocabulary: [Int]
        public let logits: [Logits]
        public let gradientNorms: [String: Double]
        public let neft: Curve
        public let full: Curve
        public let tensorHashes: [String: String]
    }

    public static func path(_ name: String) -> String { FixturePath.committed("parity/\(name)") }

    public static func decode<T: Decodable>(_ type: T.Type, _ name: String) throws -> T {
        try JSONDecoder().decode(type, from: Data(contentsOf: URL(fileURLWithPath: path(name))))
    }

    public static func tensors(_ name: String) throws -> SafetensorsFile {
        try SafetensorsFile(path: path(name + ".safetensors"))
    }

    public static func batch(_ rows: [Row]) -> PackedBatch { PackedBatch(rows: rows.map { ($0.tokens, $0.isTarget) }) }

    /// The packed rows of a fixture's mask.
    public static func mask(_ name: String, for model: any LanguageModel) throws -> TrainableRows {
        let file = try tensors(name)
        let selection = try model.parameters.indices.compactMap { index -> (parameter: Int, rows: [Int32]?)? in
            let name = model.parameters[index].module + ".rows"
            return file.entries[name] == nil ? nil : (index, try file.integers(name))
        }
        return TrainableRows(selection: selection, parameters: model.parameters)
    }
}
