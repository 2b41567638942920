/// What a name of `tokenizer.ggml.pre` means.
struct GGUFKind: Sendable {
    let preTokenizer: PreTokenizer
    var ignoresMerges = false
    /// Unless the file says otherwise.
    var addsBOS = false

    private static let known: [String: GGUFKind] = [
        "gpt-2": GGUFKind(preTokenizer: PreTokenizer(split: .gpt2)),
        "smollm": GGUFKind(preTokenizer: PreTokenizer(split: .gpt2, isolatesDigits: true)),
        "llama-bpe": GGUFKind(
            preTokenizer: PreTokenizer(split: .llama3(maxDigits: 3)), ignoresMerges: true, addsBOS: true),
        "qwen2": GGUFKind(preTokenizer: PreTokenizer(split: .llama3(maxDigits: 1))),
    ]

    private init(preTokenizer: PreTokenizer, ignoresMerges: Bool = false, addsBOS: Bool = false) {
        self.preTokenizer = preTokenizer
        self.ignoresMerges = ignoresMerges
        self.addsBOS = addsBOS
    }

    init(name: String?, file: String) throws(TokenizationError) {
        guard let name, let known = Self.known[name] else {
            let names = Self.known.keys.sorted().map { "\"\($0)\"" }.joined(separator: " or ")
            throw TokenizationError(
                file: file,
                found: name.map { "tokenizer.ggml.pre is \"\($0)\"" } ?? "tokenizer.ggml.pre is missing",
                expected: names, hint: "this tokenizer's way of splitting text is not supported; use another model")
        }
        self = known
    }

    /// The name of a way of splitting text; nil where llama.cpp has none for it.
    static func name(of preTokenizer: PreTokenizer, ignoresMerges: Bool) -> String? {
        known.first { $0.value.preTokenizer == preTokenizer && $0.value.ignoresMerges == ignoresMerges }?.key
    }
}
