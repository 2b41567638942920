// Tokenises lines for Tests/long/tokenizers: each line of standard input is a JSON string, each of the output the list
// of its ids and the text that they give.
// usage: tokenize MODEL [--plain]       MODEL: a folder with a tokenizer, or a GGUF file; --plain: no special tokens
import Checkpoints
import Foundation
import Tokenization

let arguments = Array(CommandLine.arguments.dropFirst())
guard let path = arguments.first else { exit(2) }
let tokenizer =
    path.hasSuffix(".gguf")
    ? try Tokenizer(gguf: GGUFVocabulary(GGUFFile(path: path)), file: path) : try Tokenizer(directory: path)
let parseSpecial = !arguments.contains("--plain")
let decoder = JSONDecoder()
let encoder = JSONEncoder()

struct Answer: Encodable {
    let ids: [Int32]
    let text: String
}

var output = Data()
while let line = readLine() {
    let text = try decoder.decode(String.self, from: Data(line.utf8))
    let ids = tokenizer.encode(text, parseSpecial: parseSpecial)
    output += try encoder.encode(Answer(ids: ids, text: tokenizer.decode(ids, skipSpecial: false)))
    output.append(0x0A)
}
FileHandle.standardOutput.write(output)
