/// Floats besides the weights that decide how a run goes on: the optimizer's moments, what rounding has taken away.
struct StateBuffer {
    enum Holder {
        /// Each value is at the rank that owns it; a rank holds those it owns end to end.
        case owners
        /// Every rank holds its own `[count]`, N values each.
        case everyRank
    }

    /// Of its tensor in a checkpoint.
    let name: String
    let holder: Holder
    let values: UnsafeMutableBufferPointer<Float>
}

/// A tensor of N values in a checkpoint, and the part of a `StateBuffer` that it holds.
struct StateTensor {
    enum Part {
        /// The values at their owners.
        case owners
        /// Those of one rank's `everyRank` buffer.
        case rank(Int)
    }

    let name: String
    let buffer: StateBuffer
    let part: Part

    /// The tensors of buffers. An `everyRank` buffer has one for each rank and one, of the owners' values, for runs that
    /// go on with other owners.
    static func all(of buffers: [StateBuffer], ranks: Int) -> [StateTensor] {
        buffers.flatMap { buffer in
            var tensors = [StateTensor(name: buffer.name, buffer: buffer, part: .owners)]
            if buffer.holder == .everyRank {
                tensors += (0..<ranks).map {
                    StateTensor(name: "\(buffer.name).rank-\($0)", buffer: buffer, part: .rank($0))
                }
            }
            return tensors
        }
    }
}
