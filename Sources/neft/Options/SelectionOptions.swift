import ArgumentParser
import Models
import Neurons
import Training

/// How many neurons are taken.
struct TopOptions: ParsableArguments {
    /// What `--top` means when it is not given.
    static let defaultTop = "6%"

    @Option(
        help: ArgumentHelp("Share of the neurons to train, as 6% or 0.06 (default: 6%).", valueName: "share"),
        transform: Share.init)
    var top: Share?

    func share() throws -> Share { try top ?? Share(Self.defaultTop) }
}

/// From which group of neurons they are taken.
struct ScopeOptions: ParsableArguments {
    @Option(
        help: """
            Take the share of the whole model, of each layer or of each projection; spread: of each projection, and rows of o \
            and down that score more than their channel does in other layers (default: global for select, spread for train, but not with random neurons).
            """)
    var scope: SelectionScope?

    /// What `neft train` takes: a random choice is uniform, and has no need of spreading.
    func forTraining(_ profiler: ProfileMethod) -> SelectionScope {
        scope ?? (profiler == .random ? .global : .spread)
    }

    @Option(
        help: ArgumentHelp(
            "Take neurons of these projections only, and the share of them: gate,up (default: all).",
            valueName: "names"),
        transform: ProjectionList.init)
    var projections: ProjectionList?

    @Option(
        help: ArgumentHelp(
            "Take neurons of these layers only, and the share of them: 0-9,20 (default: all).", valueName: "numbers"),
        transform: LayerList.init)
    var layers: LayerList?

    var filter: NeuronFilter { NeuronFilter(projections: projections?.values, layers: layers?.values) }
}

/// Some of the seven projections: `q,k,v,o,gate,up,down`.
struct ProjectionList: Equatable, CustomStringConvertible {
    /// Never empty.
    let values: Set<Projection>
    /// As the user wrote it.
    let description: String

    init(_ text: String) throws(OptionValueError) {
        var values: Set<Projection> = []
        for name in text.split(separator: ",", omittingEmptySubsequences: false) {
            guard let projection = Projection.allCases.first(where: { $0.shortName == name }) else {
                throw OptionValueError("names out of q,k,v,o,gate,up,down")
            }
            values.insert(projection)
        }
        self.values = values
        description = text
    }
}

/// Layers by number, from 0: `0-9,20`.
struct LayerList: Equatable, CustomStringConvertible {
    /// Never empty.
    let values: Set<Int>
    /// As the user wrote it.
    let description: String

    init(_ text: String) throws(OptionValueError) {
        var values: Set<Int> = []
        for part in text.split(separator: ",", omittingEmptySubsequences: false) {
            let ends = part.split(separator: "-", omittingEmptySubsequences: false).map { Int($0) }
            guard (1...2).contains(ends.count), let first = ends[0], let last = ends[ends.count - 1],
                first >= 0, first <= last, last < 100_000
            else { throw OptionValueError("numbers and ranges of layers such as 0-9,20") }
            values.formUnion(first...last)
        }
        self.values = values
        description = text
    }
}

extension SelectionScope: ExpressibleByArgument {}
