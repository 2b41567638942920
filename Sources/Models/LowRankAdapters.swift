import Checkpoints
import Kernels

/// The shape of LoRA (Hu et al. 2021): every projection `W` becomes `W + alpha / rank · B A`, and `A`, `B` are trained.
public struct LowRankConfiguration: Sendable, Equatable {
    /// Columns of `B`, rows of `A`.
    public var rank: Int
    /// The product counts `alpha / rank`.
    public var alpha: Double
    /// Share of a projection's inputs that `A` does not see in a training step.
    public var dropout: Double

    /// A shape; `dropout` is in `0 ..< 1`.
    public init(rank: Int, alpha: Double, dropout: Double = 0) {
        self.rank = rank
        self.alpha = alpha
        self.dropout = dropout
    }

    var scale: Float { Float(alpha / Double(rank)) }

    /// Trained values per unit of rank on all projections.
    public static func valuesPerRank(_ c: DecoderConfiguration) -> Int {
        c.layerCount * Projection.allCases.reduce(0) { $0 + c.shape(of: $1).reduce(0, +) }
    }
}

/// One factor pair: `A [rank, in]`, `B [out, rank]`.
public struct LowRankFactors {
    /// `A [rank, in]`.
    public let a: FloatTensor
    /// `B [out, rank]`.
    public let b: FloatTensor

    /// Two factors of one rank.
    public init(a: FloatTensor, b: FloatTensor) {
        self.a = a
        self.b = b
    }
}

/// LoRA on a decoder's projections: the factors, and what their products need of memory.
///
/// `W x` stays the frozen product; `s B (A x)` is added to it in fp32. A backward pass computes `A x` again, which is cheap.
final class LowRankAdapters {
    let configuration: LowRankConfiguration
    /// By layer, then projection; nil where a projection has none.
    let factors: [[LowRankFactors?]]
    private let team: WorkerTeam
    private let widest: Int

    /// Whether a training step is going on, in which inputs are dropped, and what from they are chosen.
    var dropoutSeed: UInt64?
    private var capacity = 0
    private var storage = TensorStorage(count: 0)
    /// `s A x [T, rank]`; input after dropout, and its gradient, `[T, in]`.
    private var low: UnsafeMutablePointer<Float>
    private var dropped: UnsafeMutablePointer<Float>
    /// `s dOut B [T, rank]`.
    private var dLow: UnsafeMutablePointer<Float>

    init(_ configuration: LowRankConfiguration, factors: [[LowRankFactors?]], widest: Int, team: WorkerTeam) {
        self.configuration = configuration
        self.factors = factors
        self.widest = widest
        self.team = team
        low = storage.pointer
        dropped = storage.pointer
        dLow = storage.pointer
    }

    /// Makes room for `tokens`; grows and is reused.
    func reserve(tokens: Int) {
        guard tokens > capacity else { return }
        capacity = (tokens + 63) / 64 * 64
        let narrow = capacity * configuration.rank
        let wide = configuration.dropout > 0 ? capacity * widest : 0
        storage = TensorStorage(count: 0)
        storage = TensorStorage(count: 2 * narrow + wide)
        low = storage.pointer
        dLow = storage.pointer + narrow
        dropped = storage.pointer + 2 * narrow
    }

    /// nil where nothing is dropped.
    private func mask(_ layer: Int, _ projection: Projection) -> DropoutMask? {
        guard let dropoutSeed, configuration.dropout > 0 else { return nil }
        let place = UInt64(layer * Projection.allCases.count + projection.rawValue + 1)
        return DropoutMask(rate: configuration.dropout, seed: dropoutSeed &+ place &* 0x9E37_79B9_7F4A_7C15)
    }

    /// The input that `A` sees, `[T, in]`.
    private func input(
        _ layer: Int, _ projection: Projection, _ x: UnsafePointer<Float>, T: Int, columns: Int
    ) -> UnsafePointer<Float> {
        guard let mask = mask(layer, projection) else { return x }
        dropout(team, out: dropped, x: x, mask: mask, T: T, C: columns)
        return UnsafePointer(dropped)
    }

    /// `low = s A x`.
    private func reduce(_ x: UnsafePointer<Float>, _ a: FloatTensor, T: Int) {
        team.gemm(.nt, m: T, n: configuration.rank, k: a.columns, x, a.pointer, low)
        scaleInPlace(team, x: low, factor: configuration.scale, count: T * configuration.rank)
    }

    /// `dLow = s dOut B`.
    private func reduceBackward(_ dOut: UnsafePointer<Float>, _ b: FloatTensor, T: Int) {
        team.gemm(.nn, m: T, n: configuration.rank, k: b.rows, dOut, b.pointer, dLow)
        scaleInPlace(team, x: dLow, factor: configuration.scale, count: T * configuration.rank)
    }

    /// `out [T, rows] += s B A x`.
    func add(
        _ layer: Int, _ projection: Projection, _ x: UnsafePointer<Float>, into out: UnsafeMutablePointer<Float>, T: Int
    ) {
        guard let (a, b) = pair(layer, projection) else { return }
        reduce(input(layer, projection, x, T: T, columns: a.columns), a, T: T)
        team.gemm(.nt, m: T, n: b.rows, k: configuration.rank, low, b.pointer, out, accumulate: true)
    }

    /// The gradients of a projection's factors.
    func gradients(
        _ layer: Int, _ projection: Projection, dOut: UnsafePointer<Float>, x: UnsafePointer<Float>, T: Int,
        dA: UnsafeMutablePointer<Float>, dB: UnsafeMutablePointer<Float>
    ) {
        guard let (a, b) = pair(layer, projection) else { return }
        let r = configuration.rank
        reduceBackward(dOut, b, T: T)
        let x = input(layer, projection, x, T: T, columns: a.columns)
        team.gemm(.tn, m: r, n: a.columns, k: T, dLow, x, dA)
        reduce(x, a, T: T)
        team.gemm(.tn, m: b.rows, n: r, k: T, dOut, low, dB)
    }

    /// `dX [T, in] += s (dOut B) A`.
    func addBackward(
        _ layer: Int, _ projection: Projection, _ dOut: UnsafePointer<Float>, into dX: UnsafeMutablePointer<Float>,
        T: Int
    ) {
        guard let (a, b) = pair(layer, projection) else { return }
        let r = configuration.rank
        reduceBackward(dOut, b, T: T)
        guard let mask = mask(layer, projection) else {
            team.gemm(.nn, m: T, n: a.columns, k: r, dLow, a.pointer, dX, accumulate: true)
            return
        }
        team.gemm(.nn, m: T, n: a.columns, k: r, dLow, a.pointer, dropped)
        dropoutAdd(team, out: dX, x: dropped, mask: mask, T: T, C: a.columns)
    }

    private func pair(_ layer: Int, _ projection: Projection) -> (a: FloatTensor, b: FloatTensor)? {
        factors[layer][projection.rawValue].map { ($0.a, $0.b) }
    }
}

extension Decoder {
    /// Puts LoRA on projections; once, before anything is trained or computed with it. Its factors become `parameters`
    /// behind the model's own, layer by layer.
    /// - Parameters:
    ///   - configuration: the shape of the factors.
    ///   - factors: of a projection; nil for none.
    public func attach<Failure: Error>(
        _ configuration: LowRankConfiguration,
        factors: (_ layer: Int, Projection) throws(Failure) -> LowRankFactors?
    ) throws(Failure) {
        precondition(adapters == nil, "LoRA is on this model already")
        let c = self.configuration
        var all: [[LowRankFactors?]] = []
        var added: [Parameter] = []
        for layer in 0..<c.layerCount {
            var row: [LowRankFactors?] = []
            for projection in Projection.allCases {
                let pair = try factors(layer, projection)
                row.append(pair)
                guard let pair else { continue }
                let shape = c.shape(of: projection)
                precondition(
                    pair.a.shape == [configuration.rank, shape[1]] && pair.b.shape == [shape[0], configuration.rank],
                    "LoRA: factors of another shape for layer \(layer) \(projection.shortName)")
                added.append(Parameter(tensor: pair.a, role: .lowRankA(layer: layer, projection)))
                added.append(Parameter(tensor: pair.b, role: .lowRankB(layer: layer, projection)))
            }
            all.append(row)
        }
        let widest = max(c.hiddenSize, c.intermediateSize, c.queryWidth)
        adapters = LowRankAdapters(configuration, factors: all, widest: widest, team: team)
        parameters += added
    }

    /// New factors as PEFT makes them: `A` uniform in ±1/√in, `B` zero. The same for a seed, for ever.
    public func attach(_ configuration: LowRankConfiguration, seed: UInt64) {
        var random = SplitMix64(seed: seed ^ 0x4C6F_5241)
        attach(configuration) { layer, projection in
            let shape = self.configuration.shape(of: projection)
            let name = Self.moduleName(layer: layer, projection)
            let a = TensorStorage(count: configuration.rank * shape[1])
            let b = TensorStorage(count: shape[0] * configuration.rank)
            let bound = 1 / Double(shape[1]).squareRoot()
            for i in 0..<a.count { a.pointer[i] = Float((2 * random.nextUnit() - 1) * bound) }
            return LowRankFactors(
                a: FloatTensor(
                    name: name + ".lora_A.weight", shape: [configuration.rank, shape[1]], pointer: a.pointer, owner: a),
                b: FloatTensor(
                    name: name + ".lora_B.weight", shape: [shape[0], configuration.rank], pointer: b.pointer, owner: b))
        }
    }

    /// The factors of LoRA: what it trains.
    public var lowRankRows: TrainableRows {
        TrainableRows(
            selection: parameters.indices.filter { parameters[$0].isLowRank }.map { ($0, nil) }, parameters: parameters)
    }
}
