import Foundation

extension Tokenizer {
    /// What is done to a text, one step after the other, before the model sees what is left as ordinary text.
    enum Step: Sendable {
        /// Cuts added tokens out.
        case split(AddedTokens)
        /// Canonical composition (NFC).
        case compose
        /// Makes a SentencePiece text of it: `▁` becomes a space, and one goes in front.
        case prefix(SpacePrefix)
    }

    /// Where SentencePiece puts the space before a text's first word.
    struct SpacePrefix: Sendable, Equatable {
        enum Place: Sendable, Equatable {
            case nowhere
            /// Before the text, if it does not begin with an added token.
            case start
            /// There and after each added token.
            case everyPart
        }
        var place: Place
        /// Text that begins with a space needs no other.
        var skipsSpaced = false
    }

    /// What comes before a part of a text.
    enum Neighbour {
        case start, addedToken, text
    }

    /// What becomes of ordinary text.
    enum Model: Sendable {
        case byteLevel(BytePairEncoder, PreTokenizer)
        case sentencePiece(SentencePieceEncoder)

        var vocabulary: Vocabulary {
            switch self {
            case .byteLevel(let encoder, _): encoder.vocabulary
            case .sentencePiece(let encoder): encoder.vocabulary
            }
        }

        func encode(_ text: [UInt8], _ range: Range<Int>, _ scratch: inout MergeScratch) {
            switch self {
            case .byteLevel(let encoder, let preTokenizer):
                preTokenizer.forEachPiece(in: text, range) { encoder.encode($0, $1, &scratch) }
            case .sentencePiece(let encoder): encoder.encode(text, range, &scratch)
            }
        }
    }

    static func composed(_ text: [UInt8], _ range: Range<Int>) -> [UInt8] {
        // Nothing below U+0300 composes.
        guard text[range].contains(where: { $0 >= 0xCC }) else { return Array(text[range]) }
        return Array(String(decoding: text[range], as: UTF8.self).precomposedStringWithCanonicalMapping.utf8)
    }
}

extension Tokenizer.SpacePrefix {
    func applied(to text: [UInt8], _ range: Range<Int>, after neighbour: Tokenizer.Neighbour) -> [UInt8] {
        var result: [UInt8] = []
        result.reserveCapacity(range.count + 1)
        SpaceMark.append(text[range], to: &result)
        let isWanted =
            switch (place, neighbour) {
            case (.start, .start), (.everyPart, .start), (.everyPart, .addedToken): true
            default: false
            }
        if isWanted, !(skipsSpaced && result.first == PreTokenizer.space) {
            result.insert(PreTokenizer.space, at: 0)
        }
        return result
    }
}
