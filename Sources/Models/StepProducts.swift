import Kernels

/// The products with weights of one training step, by shape: what `bench kernels` times.
public struct StepProducts {
    /// Products of one shape.
    public struct Entry {
        /// Of which weights, for example `k, v`.
        public var name: String
        /// Their sizes.
        public var shape: ProductBenchmark.Shape
        /// How many a step computes.
        public var count: Int
    }

    /// Those of the projections, then those of the head; one entry for each shape.
    public private(set) var entries: [Entry] = []

    /// - Parameters:
    ///   - c: sizes of the model.
    ///   - tokens: of a micro-batch, all of them in the loss.
    ///   - share: of each projection's rows that are trained.
    public init(_ c: DecoderConfiguration, tokens: Int, share: Double) {
        for projection in Projection.allCases {
            let (rows, columns) = (c.shape(of: projection)[0], c.shape(of: projection)[1])
            add(projection.shortName, .nt, m: tokens, n: rows, k: columns, count: c.layerCount)
            add(projection.shortName, .nn, m: tokens, n: columns, k: rows, count: c.layerCount)
            let trained = max(1, Int((share * Double(rows)).rounded()))
            add(projection.shortName, .tn, m: trained, n: columns, k: tokens, count: c.layerCount)
        }
        let chunks = (tokens + Workspace.headChunk - 1) / Workspace.headChunk
        let chunk = (tokens + chunks - 1) / chunks
        add("head", .nt, m: chunk, n: c.vocabularySize, k: c.hiddenSize, count: chunks)
        add("head", .nn, m: chunk, n: c.hiddenSize, k: c.vocabularySize, count: chunks)
    }

    private mutating func add(_ name: String, _ kind: GEMMKind, m: Int, n: Int, k: Int, count: Int) {
        let shape = ProductBenchmark.Shape(kind, m: m, n: n, k: k)
        if let same = entries.firstIndex(where: { $0.shape == shape }) {
            entries[same].name += ", " + name
            entries[same].count += count
        } else {
            entries.append(Entry(name: name, shape: shape, count: count))
        }
    }
}
