import ArgumentParser
import Models
import Neurons
import Reporting

struct Select: SessionCommand {
    static let configuration = CommandConfiguration(
        abstract: "Choose the neurons to train from a profile.",
        usage: "neft select [<options>] --scores <file> --output <path>",
        discussion: """
            Takes the neurons with the highest scores; equal scores in the order of layer, projection and row.

              neft select --scores profile.safetensors --top 6% -o neurons.safetensors
              neft select --scores profile.safetensors --top 6% --scope layer --projections gate,up -o neurons.safetensors
            """)

    @Option(help: ArgumentHelp("What neft profile wrote.", valueName: "file"), completion: .file())
    var scores: String

    @OptionGroup(title: "Selection") var top: TopOptions
    @OptionGroup(title: "Selection") var scope: ScopeOptions
    @OptionGroup(title: "Output") var output: OutputOptions
    @OptionGroup(title: "General") var common: CommonOptions

    var dependentDefaults: [String: String] {
        ["top": TopOptions.defaultTop, "scope": SelectionScope.global.rawValue]
    }

    func run(in session: Session) throws {
        let result = try session.onRoot { () throws -> (mask: NeuronMask, of: Int) in
            try output.checkIsFree(isFolder: false)
            let profile = try NeuronProfile.load(scores)
            let mask = try profile.select(
                share: try top.share().fraction, scope: scope.scope ?? .global, from: scope.filter)
            try mask.save(to: output.output)
            return (mask, profile.neuronCount)
        }
        guard let (mask, total) = result else { return }
        if common.json {
            session.console.result(json(mask, of: total))
        } else {
            for line in MaskSummary(mask, of: total).lines { session.console.result(line) }
            session.console.result("written to \(output.output)")
        }
    }

    private func json(_ mask: NeuronMask, of total: Int) -> JSONValue {
        [
            "selectedNeurons": .int(mask.count), "neurons": .int(total), "maskHash": .string(mask.hash),
            "baseHash": .string(mask.baseHash), "output": .string(output.output),
            "projections": .object(
                Projection.allCases.map { projection in
                    JSONValue.Member(projection.shortName, .int(mask.count(of: projection)))
                }),
            "layers": .array(mask.countsByLayer.map { .int($0) }),
            "channels": ["o": .int(mask.channels(of: .output)), "down": .int(mask.channels(of: .down))],
        ]
    }
}
