import ArgumentParser
import Models
import Neurons
import Reporting

struct Compare: SessionCommand {
    static let configuration = CommandConfiguration(
        abstract: "Say how much masks have in common, beside what chance would give.",
        usage: "neft compare <masks> ... [<options>]",
        discussion: """
            Of each pair: the neurons in both, their Jaccard index (neurons in both divided by neurons in either), and \
            the Jaccard index to be expected of two random masks of these sizes.

              neft compare RUN1/neurons.safetensors RUN2/neurons.safetensors
            """)

    @Argument(
        help: ArgumentHelp("Masks of one model, as neft select and neft train write them.", valueName: "masks"),
        completion: .file())
    var masks: [String]

    @OptionGroup(title: "General") var common: CommonOptions

    func validate() throws {
        if masks.count < 2 { throw ValidationError("give at least two masks to compare") }
    }

    func run(in session: Session) throws {
        let loaded = try session.onRoot { () throws -> [NeuronMask] in
            let loaded = try masks.map { try NeuronMask.load($0) }
            for (path, mask) in zip(masks, loaded) where mask.baseHash != loaded[0].baseHash {
                throw CommandError(
                    path, found: "neurons of another model (base hash \(mask.baseHash.prefix(12)))",
                    expected: "neurons of the model of \(masks[0]) (\(loaded[0].baseHash.prefix(12)))",
                    hint: "compare masks of one model")
            }
            return loaded
        }
        guard let loaded else { return }
        // Masks of older versions do not say how many neurons their model has.
        let total = loaded.lazy.compactMap { $0.provenance["neurons"].flatMap { Int($0) } }.first
        var pairs: [JSONValue] = []
        for a in loaded.indices {
            for b in loaded.indices where b > a {
                let overlap = MaskOverlap(loaded[a], loaded[b])
                let chance = total.map {
                    MaskOverlap.expectedJaccard(loaded[a].count, loaded[b].count, of: max($0, overlap.union))
                }
                pairs.append([
                    "a": .string(masks[a]), "b": .string(masks[b]), "common": .int(overlap.common),
                    "union": .int(overlap.union), "jaccard": .double(overlap.jaccard),
                    "expectedJaccard": chance.map { .double($0) } ?? nil,
                ])
                guard !common.json else { continue }
                session.console.result(
                    """
                    \(masks[a]) (\(loaded[a].count)) and \(masks[b]) (\(loaded[b].count)): \(overlap.common) in common, \
                    Jaccard \(Figures.short(overlap.jaccard))\(chance.map { ", by chance \(Figures.short($0))" } ?? "")
                    """)
            }
        }
        if common.json {
            let sizes = zip(masks, loaded).map { path, mask -> JSONValue in
                [
                    "file": .string(path), "selectedNeurons": .int(mask.count), "maskHash": .string(mask.hash),
                    "projections": .object(
                        Projection.allCases.map { .init($0.shortName, .int(mask.count(of: $0))) }),
                    "layers": .array(mask.countsByLayer.map { .int($0) }),
                ]
            }
            session.console.result(["masks": .array(sizes), "pairs": .array(pairs)])
        }
    }
}
