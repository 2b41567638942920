import Checkpoints
import Foundation
import Neurons
import TestSupport

/// Everything that must be refused with one message and exit code 2.
enum BadInput: String, CaseIterable, Sendable {
    case missingModel, emptyModelFile, truncatedGGUF, wrongMagic, truncatedSafetensors, wrongShape, missingTensor
    case unknownArchitecture, unknownTokenizer, missingTokenizer, unknownTemplate
    case missingData, emptyData, malformedLine, rowWithoutTarget, completionTooLong, unknownKeys, tooLongForContext
    case outputExists, outputIsFile, maskOfAnotherModel, damagedMask, adapterOfAnotherModel, missingAdapter
    case adapterOfNothing, adapterOfRun, adapterIsModel, adapterIsMask, emptyModelPath, emptyDataPath, modelIsAdapter
    case modelIsFolderOfGGUF, optionOfAnotherCommand
    case topZero, topTooMuch, topTooLittle, unknownOption, wrongValue, neuronsAndTop, topWithoutSelection
    case rankWithoutLowRank, matchWithoutLowRank, topWithLowRank, neuronsWithLowRank, rankZero, rankTooLarge
    case rankAndMatch, dropoutOfAll, alphaZero, lowRankOfAnotherModel, lowRankUnknown
    case reportOfDifferentTasks, reportOfNoRun, reportOverAFile, accuracyOfOneClass, compareOneMask
    case damagedTrace, dynamicsOfTwoMethods, dynamicsOfTwoModels, compareMasksOfTwoModels, sparsityOfNothing,
        damagedSparsity
    case labelsMissing, oneClass, profileOfAnotherModel, nothingInAScope, unknownProjection, unknownLayer
    case microBatchTooLarge, unknownConfigurationKey, missingConfiguration, wrongField, fieldTwice, fieldReversed
    case unknownCommand, unknownInnerCommand, commandOfNothing, topWithoutPercent
    case brokenArray, unknownTemplateName, turnsWithoutTemplate, unknownSpeaker
    case stoppingWithoutData, keepingWithoutMeasuring, missingValidation, noValidationInFolder, badValidationRow

    private static let goodRow = #"{"prompt": "a", "completion": "b"}"# + "\n"

    /// Makes the input in the sandbox.
    /// - Returns: the arguments, and what the message must say.
    func prepare(_ sandbox: Sandbox) throws -> (arguments: [String], says: [String]) {
        try sandbox.write("train.jsonl", Self.goodRow + #"{"prompt": "c", "completion": "d"}"# + "\n")
        let train = ["train", "-m", "model", "-d", "train.jsonl", "-o", "RUN"]
        func with(_ option: String, _ value: String) -> [String] {
            guard let index = train.firstIndex(of: option) else { return train + [option, value] }
            var arguments = train
            arguments[index + 1] = value
            return arguments
        }
        func config(_ change: (inout [String: Any]) -> Void, file: String = "config.json") throws {
            let data = try sandbox.read("model/\(file)")
            var object = try JSONSerialization.jsonObject(with: data) as? [String: Any] ?? [:]
            change(&object)
            try JSONSerialization.data(withJSONObject: object).write(
                to: sandbox.folder.appendingPathComponent("model/\(file)"))
        }
        func data(_ text: String) throws -> [String] {
            try sandbox.write("bad.jsonl", Self.goodRow + text + "\n")
            return with("-d", "bad.jsonl")
        }
        switch self {
        case .missingModel: return (with("-m", "nowhere"), ["nowhere", "no such file"])
        case .emptyModelFile:
            try sandbox.write("empty.gguf", "")
            return (with("-m", "empty.gguf"), ["empty.gguf", "empty"])
        case .truncatedGGUF:
            try sandbox.write("cut.gguf", "GGUF\u{3}\0\0\0\u{7}")
            return (with("-m", "cut.gguf"), ["cut.gguf"])
        case .wrongMagic:
            try sandbox.write("other.gguf", String(repeating: "not a model ", count: 50))
            return (with("-m", "other.gguf"), ["other.gguf", "GGUF"])
        case .truncatedSafetensors:
            let whole = try sandbox.read("model/model.safetensors")
            try whole.prefix(whole.count / 2).write(
                to: sandbox.folder.appendingPathComponent("model/model.safetensors"))
            return (train, ["model.safetensors"])
        case .wrongShape:
            try config { $0["intermediate_size"] = 80 }
            return (train, ["mlp.", "[64, 32]", "[80, 32]"])
        case .missingTensor:
            try config { $0["num_hidden_layers"] = 3 }
            return (train, ["layers.2.", "no such tensor"])
        case .unknownArchitecture:
            try config { $0["model_type"] = "mamba" }
            return (train, ["config.json", "mamba", "llama"])
        case .unknownTokenizer:
            try config(
                { $0["model"] = ["type": "Unigram", "vocab": [String: Int](), "merges": [String]()] },
                file: "tokenizer.json")
            return (train, ["tokenizer.json", "Unigram"])
        case .missingTokenizer:
            try FileManager.default.removeItem(atPath: sandbox.path("model/tokenizer.json"))
            return (train, ["tokenizer.json"])
        case .unknownTemplate:
            try config({ $0["chat_template"] = "{{ messages }} in another way" }, file: "tokenizer_config.json")
            return (train, ["unknown chat template", "--chat-template"])
        case .missingData: return (with("-d", "nothing.jsonl"), ["nothing.jsonl", "no such file"])
        case .emptyData:
            try sandbox.write("empty.jsonl", "")
            return (with("-d", "empty.jsonl"), ["empty.jsonl", "an empty file; expected one JSON object per line"])
        case .malformedLine: return (try data(#"{"prompt": "x", "#), ["bad.jsonl:2", "malformed JSON"])
        case .rowWithoutTarget:
            return (
                try data(#"{"prompt": "x", "completion": ""}"#), ["bad.jsonl:2", "no target tokens", "--skip-bad-rows"]
            )
        case .completionTooLong:
            let long = String(repeating: "long ", count: 100)
            return (try data(#"{"prompt": "x", "completion": "\#(long)"}"#), ["bad.jsonl:2", "256"])
        case .unknownKeys:
            try sandbox.write("keys.jsonl", #"{"question": "x"}"#)
            return (with("-d", "keys.jsonl"), ["keys.jsonl:1", "\"question\"", "--field"])
        case .tooLongForContext: return (with("--max-length", "257"), ["--max-length", "257", "256"])
        case .outputExists:
            try FileManager.default.createDirectory(atPath: sandbox.path("RUN"), withIntermediateDirectories: true)
            try sandbox.write("RUN/something", "mine")
            return (train, ["RUN", "not empty", "--output"])
        case .outputIsFile:
            try sandbox.write("RUN", "mine")
            return (train, ["RUN", "a file is there"])
        case .maskOfAnotherModel:
            try sandbox.writeMask("other.safetensors", baseHash: String(repeating: "0", count: 64))
            return (with("--neurons", "other.safetensors"), ["other.safetensors", "another model"])
        case .damagedMask:
            try sandbox.write("mask.safetensors", "????????????????")
            return (with("--neurons", "mask.safetensors"), ["mask.safetensors"])
        case .adapterOfAnotherModel:
            var writer = SafetensorsWriter(metadata: [
                "formatVersion": "1", "kind": "adapter", "baseHash": String(repeating: "0", count: 64), "maskHash": "",
            ])
            writer.add("model.layers.0.mlp.up_proj.rows", integers: [0])
            writer.add("model.layers.0.mlp.up_proj.weight", floats: [Float](repeating: 0, count: 32), shape: [1, 32])
            try writer.write(to: sandbox.path("adapter.safetensors"))
            return (
                ["evaluate", "-m", "model", "-d", "train.jsonl", "--adapter", "adapter.safetensors"],
                ["adapter.safetensors", "another model"]
            )
        case .missingAdapter:
            return (
                ["generate", "-m", "model", "--prompt", "a", "--adapter", "nowhere"],
                ["nowhere: no such file or folder; expected what neft train left in RUN/final"]
            )
        case .adapterOfNothing, .adapterOfRun:
            let folder = self == .adapterOfRun ? "run/final" : "run"
            try FileManager.default.createDirectory(atPath: sandbox.path(folder), withIntermediateDirectories: true)
            let hint = self == .adapterOfRun ? "did you mean run/final?" : "check --adapter"
            return (
                ["generate", "-m", "model", "--prompt", "a", "--adapter", "run"],
                ["run: no adapter.safetensors, adapter_config.json or config.json", hint]
            )
        case .adapterIsModel:
            try FileManager.default.copyItem(
                at: URL(fileURLWithPath: FixturePath.committed("parity/tiny-llama3.gguf")),
                to: sandbox.folder.appendingPathComponent("model.gguf"))
            return (
                ["generate", "-m", "model", "--prompt", "a", "--adapter", "model.gguf"],
                ["model.gguf: a whole model; ", "pass it with --model, without --adapter"]
            )
        case .adapterIsMask:
            try sandbox.writeMask("neurons.safetensors", baseHash: "0123")
            return (
                ["generate", "-m", "model", "--prompt", "a", "--adapter", "neurons.safetensors"],
                ["a file of kind \"neurons\"; expected an adapter file written by neft"]
            )
        case .emptyModelPath:
            return (
                with("-m", ""),
                ["--model: an empty path; expected a model file or folder; is the shell variable set?"]
            )
        case .emptyDataPath: return (with("-d", ""), ["--data: an empty path", "is the shell variable set?"])
        case .modelIsAdapter:
            try FileManager.default.createDirectory(atPath: sandbox.path("final"), withIntermediateDirectories: true)
            try sandbox.write("final/adapter.safetensors", "")
            return (
                with("-m", "final"), ["final/config.json: no such file", "an adapter: give it with --adapter"]
            )
        case .modelIsFolderOfGGUF:
            try FileManager.default.createDirectory(atPath: sandbox.path("out"), withIntermediateDirectories: true)
            try sandbox.write("out/model.gguf", "")
            return (with("-m", "out/"), ["config.json: no such file", "give out/model.gguf"])
        case .optionOfAnotherCommand:
            try sandbox.write("options.yaml", "limit: 1\nglobal-batch: 4\n")
            return (
                ["evaluate", "-m", "model", "-d", "train.jsonl", "--config", "options.yaml"],
                ["options.yaml:2: unknown option \"global-batch\"", "an option of neft train"]
            )
        case .topZero: return (with("--top", "0%"), ["--top", "0%", "more than 0%"])
        case .topTooMuch: return (with("--top", "200%"), ["--top", "200%", "at most 100%"])
        case .topTooLittle: return (with("--top", "0.0001%"), ["--top", "at least one neuron"])
        case .labelsMissing:
            try sandbox.write("some.jsonl", #"{"prompt": "a", "completion": "x", "label": "x"}"# + "\n" + Self.goodRow)
            return (
                with("-d", "some.jsonl") + ["--profile-method", "probeless"], ["some.jsonl:2", "label", "--field"]
            )
        case .oneClass:
            let row = #"{"text": "a", "label": "same"}"# + "\n"
            try sandbox.write("one.jsonl", row + row)
            return (
                ["profile", "-m", "model", "-d", "one.jsonl", "--profile-method", "probeless", "-o", "p.safetensors"],
                ["one.jsonl", "one class only", "\"same\"", "at least two"]
            )
        case .profileOfAnotherModel:
            let profile = NeuronProfile.random(
                model: makeTinyDecoder(), seed: 1, baseHash: String(repeating: "0", count: 64))
            try profile.select(share: 0.06).save(to: sandbox.path("other.safetensors"))
            return (
                with("--neurons", "other.safetensors"),
                ["other.safetensors", "another model", "profile and select on this model"]
            )
        case .nothingInAScope:
            return (
                train + ["--profile-method", "random", "--top", "1%", "--scope", "projection"],
                ["--top", "1.0% of the 32 neurons of layer 0 q", "at least one neuron of every projection", "--scope"]
            )
        case .unknownProjection:
            return (train + ["--projections", "gate,upp"], ["--projections", "gate,upp", "gate,up"])
        case .unknownLayer:
            return (train + ["--profile-method", "random", "--layers", "1-2"], ["--layers", "layer 2", "0 to 1"])
        case .unknownOption: return (train + ["--learnrate", "1"], ["--learnrate"])
        case .wrongValue: return (with("--epochs", "many"), ["--epochs", "many"])
        case .neuronsAndTop:
            return (train + ["--neurons", "mask.safetensors", "--top", "3%"], ["--top", "--neurons"])
        case .topWithoutSelection: return (train + ["--method", "full", "--top", "3%"], ["--top", "full"])
        case .rankWithoutLowRank:
            return (train + ["--lora-rank", "8"], ["--lora-rank", "--method neft", "--method lora"])
        case .matchWithoutLowRank:
            return (train + ["--method", "full", "--match", "6%"], ["--match", "--method full", "--method lora"])
        case .topWithLowRank: return (train + ["--method", "lora", "--top", "3%"], ["--top", "lora"])
        case .neuronsWithLowRank:
            return (train + ["--method", "lora", "--neurons", "mask.safetensors"], ["--neurons", "lora"])
        case .rankZero: return (train + ["--method", "lora", "--lora-rank", "0"], ["--lora-rank", "0"])
        case .rankTooLarge:
            return (
                train + ["--method", "lora", "--lora-rank", "17"],
                ["--lora-rank", "rank 17", "at most 16, the smallest side of a projection"]
            )
        case .rankAndMatch:
            return (train + ["--method", "lora", "--lora-rank", "4", "--match", "6%"], ["--lora-rank", "--match"])
        case .dropoutOfAll:
            return (train + ["--method", "lora", "--lora-dropout", "1"], ["--lora-dropout", "below 1"])
        case .alphaZero: return (train + ["--method", "lora", "--lora-alpha", "0"], ["--lora-alpha", "0"])
        case .lowRankOfAnotherModel, .lowRankUnknown:
            let folder = sandbox.folder.appendingPathComponent("lora")
            try FileManager.default.copyItem(
                at: URL(fileURLWithPath: ParityFixture.path("tiny-lora")), to: folder)
            let evaluate = ["evaluate", "-m", "model", "-d", "train.jsonl", "--adapter", "lora"]
            guard self == .lowRankUnknown else {
                return (evaluate, ["adapter_model.safetensors", "lora_A.weight", "[4, 48]", "[4, 32]"])
            }
            let file = "lora/adapter_config.json"
            let text = String(decoding: try sandbox.read(file), as: UTF8.self)
            try sandbox.write(file, text.replacing("\"use_dora\": false", with: "\"use_dora\": true"))
            return (evaluate, ["adapter_config.json: use_dora", "true", "merge"])
        case .reportOfDifferentTasks:
            try sandbox.writeRun("A", dataHash: "d1")
            try sandbox.writeRun("B", dataHash: "d2")
            return (["report", "A", "B", "-o", "r.html"], ["B: a run of another task", "hash d2", "hash d1"])
        case .reportOfNoRun:
            return (["report", "model", "-o", "r.html"], ["model: no manifest.json", "neft train"])
        case .reportOverAFile:
            try sandbox.writeRun("A", dataHash: "d1")
            try sandbox.write("r.html", "mine")
            return (["report", "A", "-o", "r.html"], ["r.html", "the file exists"])
        case .compareOneMask: return (["compare", "mask.safetensors"], ["at least two masks"])
        case .compareMasksOfTwoModels:
            try sandbox.writeMask("a.safetensors", baseHash: "0123")
            try sandbox.writeMask("b.safetensors", baseHash: "4567")
            return (
                ["compare", "a.safetensors", "b.safetensors"], ["b.safetensors: neurons of another model", "4567"]
            )
        case .dynamicsOfTwoMethods:
            try sandbox.writeProfile("a.safetensors", method: "gradient")
            try sandbox.writeProfile("b.safetensors", method: "activation")
            return (
                ["dynamics", "--before", "a.safetensors", "--after", "b.safetensors"],
                ["b.safetensors: scores of activation", "scores of gradient"]
            )
        case .dynamicsOfTwoModels:
            try sandbox.writeProfile("a.safetensors", method: "gradient")
            try sandbox.writeProfile("b.safetensors", method: "gradient", baseHash: "y")
            return (
                ["dynamics", "--before", "a.safetensors", "--after", "b.safetensors"],
                ["b.safetensors: scores of another model (base hash y)", "a.safetensors (x)", "--adapter RUN/final"]
            )
        case .sparsityOfNothing:
            return (
                ["sparsity", "-m", "model", "-d", "train.jsonl", "nowhere"], ["nowhere: no such file or folder"]
            )
        case .damagedSparsity:
            try sandbox.writeRun("A", dataHash: "d1")
            try sandbox.write("A/sparsity.json", "{}")
            return (["report", "A", "-o", "r.html"], ["A/sparsity.json", "neft sparsity --json"])
        case .damagedTrace:
            try sandbox.writeRun("A", dataHash: "d1")
            try sandbox.write("A/trace.json", "[]")
            return (["report", "A", "-o", "r.html"], ["A/trace.json", "neft train --trace"])
        case .accuracyOfOneClass:
            try sandbox.write("one.jsonl", #"{"text": "a", "label": "b"}"#)
            return (
                ["evaluate", "-m", "model", "-d", "one.jsonl", "--metrics", "accuracy"],
                ["--metrics accuracy", "1 different answers", "2 to 100 classes"]
            )
        case .microBatchTooLarge: return (with("--micro-batch", "32"), ["--micro-batch 32", "--global-batch 16"])
        case .unknownConfigurationKey:
            try sandbox.write("options.yaml", "epochs: 1\nlerning-rate: 1e-3\n")
            return (
                with("--config", "options.yaml"), ["options.yaml:2", "lerning-rate", "did you mean \"learning-rate\"?"]
            )
        case .missingConfiguration: return (with("--config", "nowhere.yaml"), ["nowhere.yaml"])
        case .wrongField: return (with("--field", "propmt=x"), ["--field", "propmt", "instruction"])
        case .fieldReversed:
            return (with("--field", "question=prompt"), ["did you mean --field prompt=question?"])
        case .unknownCommand: return (["trian", "-m", "model"], ["\"trian\"", "did you mean \"neft train\"?"])
        case .unknownInnerCommand:
            return (
                ["bench", "kernel", "-m", "model"], ["neft bench: unknown", "did you mean \"neft bench kernels\"?"]
            )
        case .commandOfNothing: return (["frobnicate"], ["\"frobnicate\"", "expected one of preview, profile, select"])
        case .topWithoutPercent: return (train + ["--top", "6"], ["--top", "did you mean 6%?"])
        case .fieldTwice:
            return (train + ["--field", "prompt=x", "--field", "prompt=y"], ["--field", "prompt=y", "each KEY once"])
        case .brokenArray:
            try sandbox.write("bad.json", "[\n\(Self.goodRow),\n{\"prompt\": 5, \"completion\": \"b\"}]")
            return (with("-d", "bad.json"), ["bad.json:4", "\"prompt\" is a number"])
        case .unknownTemplateName:
            return (train + ["--chat-template", "vicuna"], ["--chat-template", "vicuna", "chatml, llama2, llama3"])
        case .turnsWithoutTemplate:
            let row = #"{"prompt": [{"role": "assistant", "content": "a"}], "completion": "b"}"#
            return (
                try data(row) + ["--chat-template", "llama2"],
                ["bad.jsonl:2", "turns assistant, assistant", "llama2", "--skip-bad-rows"]
            )
        case .unknownSpeaker:
            try sandbox.write("bad.jsonl", #"{"conversations": [{"from": "bot", "value": "a"}]}"#)
            return (
                with("-d", "bad.jsonl"),
                ["bad.jsonl:1", "a turn from \"bot\"", "system, human or user, gpt, chatgpt or assistant"]
            )
        case .stoppingWithoutData:
            return (train + ["--early-stopping", "3"], ["--early-stopping", "no rows to measure on", "--eval-data"])
        case .keepingWithoutMeasuring:
            return (train + ["--keep-best", "--eval-every", "0"], ["--keep-best", "--eval-every 0"])
        case .missingValidation:
            return (train + ["--eval-data", "nothing.jsonl"], ["nothing.jsonl", "no such file"])
        case .noValidationInFolder:
            try FileManager.default.createDirectory(atPath: sandbox.path("data"), withIntermediateDirectories: true)
            try sandbox.write("data/train.jsonl", Self.goodRow)
            return (with("-d", "data") + ["--keep-best"], ["--keep-best", "valid.jsonl"])
        case .badValidationRow:
            try sandbox.write("valid.jsonl", Self.goodRow + "{}\n")
            return (train + ["--eval-data", "valid.jsonl"], ["valid.jsonl:2", "no key \"prompt\""])
        }
    }
}
