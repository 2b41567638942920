import Checkpoints

/// The tokenizer files of a Hugging Face directory, written from the vocabulary of a GGUF file: they give the ids that the
/// GGUF file's tokenizer gives.
public struct TokenizerFiles {
    /// `tokenizer.json`.
    public let tokenizer: String
    /// `tokenizer_config.json`.
    public let configuration: String
    /// `chat_template.jinja`, which newer readers want; older ones find it in `tokenizer_config.json`.
    public let chatTemplate: String?

    /// - Parameters:
    ///   - vocabulary: of a file that `Tokenizer(gguf:file:)` reads.
    ///   - contextLength: longest text, in tokens.
    ///   - file: the file's name, for errors.
    public init(
        _ vocabulary: GGUFVocabulary, contextLength: Int, file: String
    ) throws(TokenizationError) {
        chatTemplate = vocabulary.chatTemplate
        // Refuses what neft does not read, with its own messages.
        let tokenizer = try Tokenizer(gguf: vocabulary, file: file)
        let added = Self.addedTokens(vocabulary)
        let prefix = tokenizer.addsBOS ? tokenizer.bosToken.map { Int($0) } : nil
        let parts =
            vocabulary.model == "llama"
            ? Self.sentencePiece(vocabulary) : try Self.byteLevel(vocabulary, file: file)
        let vocab = vocabulary.tokens.enumerated().map { "\(JSONText.quoted($1)):\($0)" }.joined(separator: ",\n")
        let merges = parts.merges.map { "[\(JSONText.quoted($0)),\(JSONText.quoted($1))]" }.joined(separator: ",\n")
        self.tokenizer = """
            {"version":"1.0","truncation":null,"padding":null,
            "added_tokens":[\(added.map(\.listed).joined(separator: ",\n"))],
            "normalizer":\(parts.normalizer),
            "pre_tokenizer":\(parts.preTokenizer),
            "post_processor":\(Self.postProcessor(prefix: prefix, vocabulary)),
            "decoder":\(parts.decoder),
            "model":{"type":"BPE","dropout":null,"unk_token":\(parts.unknown),"continuing_subword_prefix":null,
            "end_of_word_suffix":null,"fuse_unk":\(parts.fallsBack),"byte_fallback":\(parts.fallsBack),
            "ignore_merges":\(parts.ignoresMerges),
            "vocab":{\(vocab)},
            "merges":[\(merges)]}}

            """
        func token(_ id: Int32?) -> String {
            guard let id, vocabulary.tokens.indices.contains(Int(id)) else { return "null" }
            return JSONText.quoted(vocabulary.tokens[Int(id)])
        }
        configuration = """
            {"tokenizer_class":"PreTrainedTokenizerFast","clean_up_tokenization_spaces":false,
            "model_max_length":\(contextLength),"add_bos_token":\(prefix != nil),
            "bos_token":\(token(tokenizer.bosToken)),"eos_token":\(token(tokenizer.eosToken)),
            "unk_token":\(token(vocabulary.unknownToken)),"pad_token":\(token(vocabulary.paddingToken)),
            "added_tokens_decoder":{\(added.map(\.keyed).joined(separator: ",\n"))},
            "chat_template":\(vocabulary.chatTemplate.map(JSONText.quoted) ?? "null")}

            """
    }

    /// What differs between the two kinds of tokenizers; JSON but for the merges.
    private struct Parts {
        var normalizer = "null"
        var preTokenizer = "null"
        var decoder: String
        var unknown = "null"
        var fallsBack = false
        var ignoresMerges = false
        var merges: [(String, String)]
    }

    private static func byteLevel(_ vocabulary: GGUFVocabulary, file: String) throws(TokenizationError) -> Parts {
        let kind = try GGUFKind(name: vocabulary.pre, file: file)
        var merges: [(String, String)] = []
        merges.reserveCapacity(vocabulary.merges.count)
        for (index, merge) in vocabulary.merges.enumerated() {
            let (left, right) = try Tokenizer.splitMerge(merge, index, file: file)
            merges.append((String(left), String(right)))
        }
        return Parts(
            preTokenizer: kind.preTokenizer.json,
            decoder: #"{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":true,"use_regex":true}"#,
            ignoresMerges: kind.ignoresMerges, merges: merges)
    }

    private static func sentencePiece(_ vocabulary: GGUFVocabulary) -> Parts {
        let mark = "\u{2581}"
        let replace = #"{"type":"Replace","pattern":{"String":" "},"content":"\#(mark)"}"#
        let prepend = vocabulary.addSpacePrefix ? #"{"type":"Prepend","prepend":"\#(mark)"},"# : ""
        let strip = vocabulary.addSpacePrefix ? #",{"type":"Strip","content":" ","start":1,"stop":0}"# : ""
        return Parts(
            normalizer: #"{"type":"Sequence","normalizers":[\#(prepend)\#(replace)]}"#,
            decoder:
                #"{"type":"Sequence","decoders":[{"type":"Replace","pattern":{"String":"\#(mark)"},"content":" "},"#
                + #"{"type":"ByteFallback"},{"type":"Fuse"}\#(strip)]}"#,
            unknown: vocabulary.unknownToken.map { JSONText.quoted(vocabulary.tokens[Int($0)]) } ?? "null",
            fallsBack: true, merges: merges(of: vocabulary))
    }

    /// The merges that follow from scores: every way to make a token of two others, the highest score first, as
    /// transformers' converter lists them.
    private static func merges(of vocabulary: GGUFVocabulary) -> [(String, String)] {
        // By bytes: as strings, composed and decomposed characters would be the same.
        var ids: [[UInt8]: Int] = [:]
        for (id, token) in vocabulary.tokens.enumerated() { ids[Array(token.utf8)] = id }
        var merges: [(left: [UInt8], right: [UInt8], score: Float, order: (Int, Int))] = []
        for (id, token) in vocabulary.tokens.enumerated() {
            let type = vocabulary.tokenTypes?[id] ?? 1
            guard type == 1 || type == 4 else { continue }
            let bytes = Array(token.utf8)
            for middle in bytes.indices.dropFirst() where bytes[middle] & 0xC0 != 0x80 {
                let (left, right) = (Array(bytes[..<middle]), Array(bytes[middle...]))
                guard let first = ids[left], let second = ids[right] else { continue }
                merges.append((left, right, vocabulary.scores?[id] ?? 0, (first, second)))
            }
        }
        merges.sort {
            ($1.score, $0.left.count, $0.right.count, $0.order.0, $0.order.1)
                < ($0.score, $1.left.count, $1.right.count, $1.order.0, $1.order.1)
        }
        return merges.map { (String(decoding: $0.left, as: UTF8.self), String(decoding: $0.right, as: UTF8.self)) }
    }

    private static func postProcessor(prefix: Int?, _ vocabulary: GGUFVocabulary) -> String {
        guard let prefix else {
            return vocabulary.model == "llama"
                ? "null" : #"{"type":"ByteLevel","add_prefix_space":true,"trim_offsets":false,"use_regex":true}"#
        }
        let name = JSONText.quoted(vocabulary.tokens[prefix])
        let mark = #"{"SpecialToken":{"id":\#(name),"type_id":0}}"#
        return #"{"type":"TemplateProcessing","single":[\#(mark),{"Sequence":{"id":"A","type_id":0}}],"#
            + #""pair":[\#(mark),{"Sequence":{"id":"A","type_id":0}},{"Sequence":{"id":"B","type_id":0}}],"#
            + #""special_tokens":{\#(name):{"id":\#(name),"ids":[\#(prefix)],"tokens":[\#(name)]}}}"#
    }

    /// Tokens that are cut out of a text first, as `tokenizer.json` and as `tokenizer_config.json` list them.
    private static func addedTokens(_ vocabulary: GGUFVocabulary) -> [(listed: String, keyed: String)] {
        (vocabulary.tokenTypes ?? []).enumerated().compactMap { id, type in
            // Unknown, control, user-defined.
            guard (2...4).contains(type) else { return nil }
            let facts =
                #""content":\#(JSONText.quoted(vocabulary.tokens[id])),"single_word":false,"lstrip":false,"#
                + #""rstrip":false,"normalized":false,"special":\#(type != 4)"#
            return (#"{"id":\#(id),\#(facts)}"#, #""\#(id)":{\#(facts)}"#)
        }
    }
}
