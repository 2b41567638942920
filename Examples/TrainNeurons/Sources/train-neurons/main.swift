// Finds the most sensitive neurons of a model on some rows, trains them on all rows once, and answers a prompt.
// usage: train-neurons MODEL ROWS PROMPT
import Checkpoints
import Collectives
import Datasets
import Kernels
import Models
import Neurons
import Tokenization
import Training

let (path, rowsPath, prompt) = (CommandLine.arguments[1], CommandLine.arguments[2], CommandLine.arguments[3])
let (files, team, alone) = (try ModelFiles.open(path), WorkerTeam(threads: 2), LocalCommunicator())
let (model, tokenizer) = (try Decoder.load(files, team: team), try Tokenizer.load(files))
let template = try ChatTemplate.detect(source: tokenizer.chatTemplateSource, file: path, marks: tokenizer.marks)
let options = DatasetOptions(maxLength: model.contextLength, chatTemplate: template)
let dataset = try Dataset.load(rowsPath, tokenizer: tokenizer, options: options)
let rows = SampledRows(dataset.rows, seed: 1, globalBatch: 8, microBatch: 4)
let hash = BaseHash.compute(configuration: model.canonicalConfiguration, tensors: model.parameters.map(\.tensor))
let profile = try ProfilingRun(
    method: .gradient, steps: 4, seed: 1, model: model, baseHash: hash, communicator: alone, team: team
).run(data: rows)
let neurons = try profile.select(share: 0.06, scope: .spread).trainableRows(for: model, baseHash: hash, file: "neurons")
try Trainer(
    model: model, trainable: neurons, data: rows, configuration: .init(method: .neft), communicator: alone, team: team
).run { print("step \($0.step): loss \($0.loss)") }
let question = template.render([ChatMessage(role: "user", content: prompt)], addGenerationPrompt: true)
let ends = Set([tokenizer.eosToken, template.endToken.flatMap { tokenizer.tokenID($0) }].compactMap { $0 })
let answers = model.generateGreedy(prompts: [tokenizer.encode(question)], maxNewTokens: 32, endTokens: ends)
print(tokenizer.decode(answers[0]))
