import Tokenization

/// The `Modelfile` by which Ollama takes up a GGUF file: its chat template in Ollama's language, and where answers end.
public struct Modelfile {
    /// What it says.
    public let text: String

    /// - Parameters:
    ///   - from: path of the model, from the folder that the `Modelfile` is in.
    ///   - adapter: path of a GGUF adapter on it.
    ///   - template: how the model was trained to be talked to.
    ///   - stops: texts that end an answer.
    ///   - addsBOS: whether the model's tokenizer begins texts with its own mark.
    public init(from: String, adapter: String? = nil, template: ChatTemplate, stops: [String], addsBOS: Bool) {
        var lines = ["FROM \(from)"]
        if let adapter { lines.append("ADAPTER \(adapter)") }
        lines.append("TEMPLATE \"\"\"\(template.ollamaSource(addsBOS: addsBOS))\"\"\"")
        if case .chatml(let system?) = template, !system.isEmpty { lines.append("SYSTEM \"\"\"\(system)\"\"\"") }
        for stop in stops.sorted() where !stop.isEmpty { lines.append("PARAMETER stop \"\(stop)\"") }
        text = lines.joined(separator: "\n") + "\n"
    }
}
