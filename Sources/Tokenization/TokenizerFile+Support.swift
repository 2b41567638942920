extension TokenizerFile {
    /// Refuses the parts that change ids and are not implemented.
    func checkSupported(_ path: String) throws(TokenizationError) {
        func refuse(_ found: String, _ expected: String) -> TokenizationError {
            TokenizationError(
                file: path, found: found, expected: expected,
                hint: "use a model with a byte-level or SentencePiece BPE tokenizer")
        }
        let isSentencePiece = model.byteFallback == true
        if let type = model.type, type != "BPE" { throw refuse("model.type is \"\(type)\"", "\"BPE\"") }
        if let dropout = model.dropout, dropout != 0 { throw refuse("model.dropout is \(dropout)", "none") }
        if let text = model.continuingSubwordPrefix, !text.isEmpty {
            throw refuse("model.continuing_subword_prefix is \"\(text)\"", "none")
        }
        if let text = model.endOfWordSuffix, !text.isEmpty {
            throw refuse("model.end_of_word_suffix is \"\(text)\"", "none")
        }
        if isSentencePiece, model.ignoreMerges == true {
            throw refuse("model.ignore_merges is true beside byte_fallback", "false")
        }
        let decoders = decoder?.flattened.map(\.type) ?? []
        if isSentencePiece {
            guard decoders.contains("ByteFallback") || decoders == ["Metaspace"] else {
                throw refuse(
                    "decoder is \(decoders.isEmpty ? "missing" : decoders.joined(separator: ", "))",
                    "one with ByteFallback, because model.byte_fallback is true")
            }
        } else {
            if let step = normalizer?.flattened.first(where: { $0.type != "NFC" }) {
                throw refuse("normalizer is \(step.type)", "none, or NFC")
            }
            if decoders != ["ByteLevel"] {
                throw refuse(
                    "decoder is \(decoders.isEmpty ? "missing" : decoders.joined(separator: ", "))", "ByteLevel")
            }
        }
        if let token = addedTokens?.first(where: { $0.singleWord == true }) {
            throw refuse("added token \"\(token.content)\" has single_word true", "false")
        }
        if let token = addedTokens?.first(where: \.content.isEmpty) {
            throw refuse("added token \(token.id) has no text", "a text")
        }
    }

    /// Whether a text that was decoded loses the space it begins with.
    var decoderStripsSpace: Bool {
        (decoder?.flattened ?? []).contains {
            $0.type == "Strip" || ($0.type == "Metaspace" && $0.prependScheme != "never")
        }
    }

    /// How a SentencePiece tokenizer puts a space before a text: by its normalizer (`Prepend` and `Replace`), or by the
    /// pre-tokenizer `Metaspace`.
    func spacePrefix(_ path: String) throws(TokenizationError) -> (
        prefix: Tokenizer.SpacePrefix, isNormalizer: Bool
    ) {
        let mark = "\u{2581}"
        let normalizers = normalizer?.flattened ?? []
        let splits = preTokenizer?.flattened ?? []
        func refuse(_ found: String) -> TokenizationError {
            TokenizationError(
                file: path, found: found,
                expected: "Prepend and Replace of a space by \(mark), or Metaspace without splitting",
                hint: "this SentencePiece tokenizer is not supported; use another model")
        }
        if normalizers.isEmpty, splits.count == 1, splits[0].type == "Metaspace" {
            let step = splits[0]
            guard step.replacement ?? mark == mark, step.split == false else {
                throw refuse("pre_tokenizer is Metaspace(split: \(step.split ?? true))")
            }
            let scheme = step.prependScheme ?? (step.addPrefixSpace == false ? "never" : "always")
            guard let place = ["never": .nowhere, "first": .start, "always": .everyPart][scheme] as PrefixPlace? else {
                throw refuse("Metaspace's prepend_scheme is \"\(scheme)\"")
            }
            return (.init(place: place, skipsSpaced: true), false)
        }
        guard splits.isEmpty else { throw refuse("pre_tokenizer is \(splits.map(\.type).joined(separator: ", "))") }
        var place = PrefixPlace.nowhere
        var rest = normalizers[...]
        if let step = rest.first, step.type == "Prepend", step.prepend == mark {
            place = .everyPart
            rest = rest.dropFirst()
        }
        guard rest.count == 1, let step = rest.first, step.type == "Replace", step.pattern?.string == " ",
            step.content == mark
        else {
            let types = normalizers.map(\.type)
            throw refuse("normalizer is \(types.isEmpty ? "missing" : types.joined(separator: ", "))")
        }
        return (.init(place: place), true)
    }

    private typealias PrefixPlace = Tokenizer.SpacePrefix.Place
}
