import Tokenization

/// The `Modelfile` by which Ollama takes up a GGUF file: its chat template in Ollama's language, and where answers end.
/// What its quotes cannot hold is left out, and a comment says so.
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
        if case .chatml(let system?, _) = template, !system.isEmpty {
            lines.append(
                system.contains("\"\"\"")
                    ? "# Without the default system turn: it has three double quotes, which would end it here."
                    : "SYSTEM \"\"\"\(system)\"\"\"")
        }
        for stop in stops.sorted() where !stop.isEmpty {
            lines.append(
                stop.contains("\"")
                    ? "# Without one stop: it has a double quote, which would end it here."
                    : "PARAMETER stop \"\(stop)\"")
        }
        text = lines.joined(separator: "\n") + "\n"
    }
}
