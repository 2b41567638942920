import Checkpoints

extension PreTokenizer {
    /// Regular expressions of a `Split` step, and the split they are.
    private static let knownPatterns: [String: Split] = [
        #"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: .gpt2,
        #"'(?:[sdmt]|ll|ve|re)| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+"#: .gpt2,
        llama3Pattern(digits: #"\p{N}{1,3}"#): .llama3(maxDigits: 3),
        llama3Pattern(digits: #"\p{N}"#): .llama3(maxDigits: 1),
    ]

    /// The pre-tokenizer as `tokenizer.json` writes it: JSON.
    var json: String {
        func byteLevel(usesRegex: Bool) -> String {
            #"{"type":"ByteLevel","add_prefix_space":\#(addsPrefixSpace),"trim_offsets":true,"use_regex":\#(usesRegex)}"#
        }
        var steps: [String] = []
        if isolatesDigits { steps.append(#"{"type":"Digits","individual_digits":true}"#) }
        if case .llama3(let maxDigits) = split {
            let pattern = Self.llama3Pattern(digits: maxDigits == 1 ? #"\p{N}"# : #"\p{N}{1,\#(maxDigits)}"#)
            steps.append(
                #"{"type":"Split","pattern":{"Regex":\#(JSONText.quoted(pattern))},"behavior":"Isolated","invert":false}"#
            )
        }
        steps.append(byteLevel(usesRegex: split == .gpt2))
        return steps.count == 1
            ? steps[0] : #"{"type":"Sequence","pretokenizers":[\#(steps.joined(separator: ","))]}"#
    }

    private static func llama3Pattern(digits: String) -> String {
        #"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|"# + digits
            + #"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"#
    }

    /// Recognises `[Digits,] [Split,] ByteLevel`.
    init(_ step: TokenizerFile.Step?, _ file: String) throws(TokenizationError) {
        var split = Split.whole
        var isolatesDigits = false
        var addsPrefixSpace = false
        var steps = (step?.flattened ?? [])[...]

        if let digits = steps.first, digits.type == "Digits", digits.individualDigits == true {
            isolatesDigits = true
            steps = steps.dropFirst()
        }
        var hasPattern = false
        if let step = steps.first, step.type == "Split" {
            let text = step.pattern?.regex ?? ""
            guard let known = Self.knownPatterns[text], step.behavior == "Isolated", step.invert != true else {
                throw Self.refusal(
                    file, "Split with \(step.behavior ?? "no behavior") of \(step.pattern?.string ?? text)")
            }
            split = known
            hasPattern = true
            steps = steps.dropFirst()
        }
        guard let last = steps.first, last.type == "ByteLevel", steps.count == 1 else {
            let types = (step?.flattened ?? []).map { step in
                step.individualDigits.map { "\(step.type)(individual_digits: \($0))" } ?? step.type
            }
            throw Self.refusal(file, types.isEmpty ? "missing" : types.joined(separator: ", "))
        }
        addsPrefixSpace = last.addPrefixSpace ?? false
        let usesRegex = last.useRegex ?? true
        // A pattern and ByteLevel's own split or prefix would work on each other's pieces.
        if hasPattern, usesRegex || addsPrefixSpace {
            throw Self.refusal(file, "Split before ByteLevel(use_regex: \(usesRegex), prefix: \(addsPrefixSpace))")
        }
        if usesRegex { split = .gpt2 }
        self.init(split: split, isolatesDigits: isolatesDigits, addsPrefixSpace: addsPrefixSpace)
    }

    private static func refusal(_ file: String, _ found: String) -> TokenizationError {
        TokenizationError(
            file: file, found: "pre_tokenizer is \(found)",
            expected:
                "ByteLevel, alone or after Digits(individual_digits: true) or a Split by the pattern of GPT-2, Llama 3 or Qwen2",
            hint: "this tokenizer's way of splitting text is not supported; use another model")
    }
}
