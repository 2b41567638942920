import ArgumentParser
import Models
import Neurons
import Reporting

struct Dynamics: SessionCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say how training changed which neurons are used.",
        usage: "neft dynamics --before <file> --after <file> [--trained <file>] [<options>]",
        discussion: """
            Ranks all neurons by their score in two profiles of one method, made before and after training. A neuron \
            that moved by at least the 95th percentile of all moves is strongly affected (trained, rose), suppressed \
            (trained, fell) or indirectly affected (not trained).

              neft profile -m MODEL -d test.jsonl --profile-method activation -o old
              neft profile -m MODEL -d test.jsonl --profile-method activation \\
                --adapter RUN/final -o new
              neft dynamics --before old --after new --trained RUN/neurons.safetensors \\
                --json > RUN/dynamics.json

            neft report shows what that file holds.
            """)

    @Option(help: ArgumentHelp("The profile of the untrained model.", valueName: "file"), completion: .file())
    var before: String

    @Option(help: ArgumentHelp("The profile of the trained model.", valueName: "file"), completion: .file())
    var after: String

    @Option(help: ArgumentHelp("The neurons that were trained (default: all).", valueName: "file"), completion: .file())
    var trained: String?

    @Option(
        help: ArgumentHelp("Name the neurons that moved most, so many (default: none).", valueName: "n"),
        transform: OptionValue.nonNegative)
    var list = 0

    @OptionGroup(title: "General") var common: CommonOptions

    /// Neurons by rank difference, the trained ones and the others, in 61 bins around 0.
    private func histogram(_ shift: RankShift) -> JSONValue {
        let bins = 61
        let reach = Double(max(1, shift.differences.lazy.map(abs).max() ?? 1))
        var counts = [[Int]](repeating: [Int](repeating: 0, count: bins), count: 2)
        for (difference, isTrained) in zip(shift.differences, shift.isTrained) {
            let bin = Int((Double(difference) / reach + 1) / 2 * Double(bins))
            counts[isTrained ? 0 : 1][min(bins - 1, bin)] += 1
        }
        return [
            "from": .double(-reach), "to": .double(reach), "trained": .array(counts[0].map { .int($0) }),
            "untrained": .array(counts[1].map { .int($0) }),
        ]
    }

    func run(in session: Session) throws {
        let result = try session.onRoot { () throws -> (NeuronProfile, RankShift) in
            let old = try NeuronProfile.load(before)
            let shift = try RankShift(
                before: old, after: try NeuronProfile.load(after), mask: try trained.map { try NeuronMask.load($0) },
                names: (before, after, trained ?? ""))
            return (old, shift)
        }
        guard let (profile, shift) = result else { return }
        // Effects by layer and by projection, in NeuronID order.
        var byLayer: [Int: [RankShift.Effect: Int]] = [:]
        var byProjection: [Projection: [RankShift.Effect: Int]] = [:]
        var total: [RankShift.Effect: Int] = [:]
        var index = 0
        for module in profile.modules {
            for _ in module.scores.indices {
                if let effect = shift.effect(index) {
                    byLayer[module.layer, default: [:]][effect, default: 0] += 1
                    byProjection[module.projection, default: [:]][effect, default: 0] += 1
                    total[effect, default: 0] += 1
                }
                index += 1
            }
        }
        let layers = Set(profile.modules.map(\.layer)).sorted()
        let neurons = profile.modules.flatMap { module in
            module.scores.indices.map { NeuronID(layer: module.layer, projection: module.projection, row: $0) }
        }
        let moved = shift.mostMoved(list)
        func counts(_ effects: [RankShift.Effect: Int]?) -> JSONValue {
            .object(RankShift.Effect.allCases.map { .init($0.rawValue, .int(effects?[$0] ?? 0)) })
        }
        if common.json {
            session.console.result([
                "method": .string(profile.method), "neurons": .int(shift.differences.count),
                "trainedNeurons": .int(shift.isTrained.count { $0 }), "threshold": .int(shift.threshold),
                "correlation": .double(shift.correlation), "effects": counts(total),
                "layers": .array(layers.map { counts(byLayer[$0]) }),
                "projections": .object(Projection.allCases.map { .init($0.shortName, counts(byProjection[$0])) }),
                "histogram": histogram(shift),
                "moved": .array(
                    moved.map { index in
                        let neuron = neurons[index]
                        return [
                            "layer": .int(neuron.layer), "projection": .string(neuron.projection.shortName),
                            "row": .int(neuron.row), "before": .int(shift.before[index]),
                            "after": .int(shift.after[index]), "trained": .bool(shift.isTrained[index]),
                            "effect": shift.effect(index).map { .string($0.rawValue) } ?? nil,
                        ]
                    }),
            ])
        } else {
            func line(_ effects: [RankShift.Effect: Int]?) -> String {
                "\(effects?[.stronglyAffected] ?? 0) strongly affected, \(effects?[.suppressed] ?? 0) suppressed, "
                    + "\(effects?[.indirectlyAffected] ?? 0) indirectly affected"
            }
            session.console.result(
                """
                \(shift.differences.count) neurons by \(profile.method), \(shift.isTrained.count { $0 }) trained; rank \
                correlation \(Figures.short(shift.correlation))
                moved by at least \(shift.threshold) ranks: \(line(total))
                """)
            for layer in layers { session.console.result("layer \(layer): \(line(byLayer[layer]))") }
            for projection in Projection.allCases {
                session.console.result("\(projection.shortName): \(line(byProjection[projection]))")
            }
            for index in moved {
                session.console.result(
                    "\(neurons[index]): rank \(shift.before[index]) → \(shift.after[index])"
                        + (shift.isTrained[index] ? ", trained" : ""))
            }
        }
    }
}
