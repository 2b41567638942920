import Foundation

/// A `tokenizer.model`: SentencePiece's protocol buffer, as far as BPE needs it.
struct SentencePieceFile {
    struct Piece {
        var text = ""
        var score: Float = 0
        /// 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6 byte: the numbers of GGUF's token types.
        var type: Int32 = 1
    }

    let path: String
    private(set) var pieces: [Piece] = []
    private(set) var bosID: Int32 = 1
    private(set) var eosID: Int32 = 2
    private(set) var addsPrefix = true
    private var modelType: UInt64 = 1
    private var hasCharacterMap = false
    private var removesSpaces = true
    private var escapesSpaces = true
    private var suffixesSpaces = false

    /// - Throws: for bytes that are no such file, and for a model other than BPE without normalisation.
    init(_ source: SourceFile) throws(TokenizationError) {
        path = source.path
        let read: Bool? = ProtocolBuffer.forEachField(of: source.data[...]) { number, value in
            switch (number, value) {
            case (1, .bytes(let data)):
                guard let piece = Self.piece(data) else { return nil }
                pieces.append(piece)
            case (2, .bytes(let data)): return readTrainer(data)
            case (3, .bytes(let data)): return readNormalizer(data)
            default: break
            }
            return true
        }
        guard read == true, !pieces.isEmpty else {
            throw TokenizationError(
                file: path, found: "not a SentencePiece model",
                expected: "the protocol buffer that sentencepiece writes",
                hint: "the file is damaged or of another kind (Llama 3's tokenizer.model needs its tokenizer.json)")
        }
        try checkSupported()
    }

    private func checkSupported() throws(TokenizationError) {
        let problems: [(Bool, String, String)] = [
            (modelType != 2, "a model of type \(modelType == 1 ? "unigram" : "\(modelType)")", "bpe"),
            (hasCharacterMap, "a normalizer with a character map", "the identity"),
            (removesSpaces, "a normalizer that removes spaces", "one that keeps them"),
            (!escapesSpaces, "spaces that are not escaped", "\u{2581} for each space"),
            (suffixesSpaces, "spaces at the ends of words", "before words"),
        ]
        guard let problem = problems.first(where: \.0) else { return }
        throw TokenizationError(
            file: path, found: problem.1, expected: problem.2,
            hint: "only SentencePiece BPE as Llama 2 and Mistral use it is supported; use another model")
    }

    private static func piece(_ data: Data) -> Piece? {
        var piece = Piece()
        let read: Bool? = ProtocolBuffer.forEachField(of: data) { number, value in
            switch (number, value) {
            case (1, .bytes(let text)):
                // Foundation would leave a byte order mark out, which is a token of its own.
                guard let text = String(validating: text, as: UTF8.self) else { return nil }
                piece.text = text
            case (2, .fixed32(let bits)): piece.score = Float(bitPattern: bits)
            case (3, .varint(let type)): piece.type = Int32(truncatingIfNeeded: type)
            default: break
            }
            return true
        }
        return read == true ? piece : nil
    }

    private mutating func readTrainer(_ data: Data) -> Bool? {
        ProtocolBuffer.forEachField(of: data) { number, value in
            guard case .varint(let value) = value else { return true }
            switch number {
            case 3: modelType = value
            case 24: suffixesSpaces = value != 0
            case 41: bosID = Int32(truncatingIfNeeded: value)
            case 42: eosID = Int32(truncatingIfNeeded: value)
            default: break
            }
            return true
        }
    }

    private mutating func readNormalizer(_ data: Data) -> Bool? {
        ProtocolBuffer.forEachField(of: data) { number, value in
            switch (number, value) {
            case (2, .bytes(let map)): hasCharacterMap = !map.isEmpty
            case (3, .varint(let flag)): addsPrefix = flag != 0
            case (4, .varint(let flag)): removesSpaces = flag != 0
            case (5, .varint(let flag)): escapesSpaces = flag != 0
            default: break
            }
            return true
        }
    }
}
