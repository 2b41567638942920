import Models

/// Where the values of the packed order live in the model: runs of rows that are contiguous in both.
///
/// Reads and writes the model's own weights, of which there is no second copy. Neighbouring rows make one run, so that
/// a tensor that is trained as a whole is a single run.
public struct PackedRowAccess {
    /// Values `start ..< start + count` of the packed order, in the model at `weights`.
    struct Run {
        let start: Int
        let count: Int
        let weights: UnsafeMutablePointer<Float>
        /// Index into the parameters.
        let parameter: Int
        var end: Int { start + count }
    }

    /// In packed order, without gaps.
    let runs: [Run]
    /// Floats in the packed order.
    public let count: Int
    /// Keeps the tensors alive.
    private let parameters: [Parameter]

    /// Finds the runs of neighbouring rows; keeps the tensors alive, copies nothing.
    public init(_ trainable: TrainableRows, parameters: [Parameter]) {
        var runs: [Run] = []
        for entry in trainable.entries {
            let tensor = parameters[entry.parameter].tensor
            tensor.materialise(entry.rows)
            let base = tensor.pointer
            guard let rows = entry.rows else {
                runs.append(
                    Run(start: entry.offset, count: entry.count, weights: base, parameter: entry.parameter))
                continue
            }
            var first = 0
            while first < rows.count {
                var next = first + 1
                while next < rows.count, Int(rows[next]) == Int(rows[first]) + next - first { next += 1 }
                runs.append(
                    Run(
                        start: entry.offset + first * entry.columns, count: (next - first) * entry.columns,
                        weights: base + Int(rows[first]) * entry.columns, parameter: entry.parameter))
                first = next
            }
        }
        self.runs = runs
        self.parameters = parameters
        count = trainable.count
    }

    /// Copies the weights of a packed range to `values`, `[range.count]`.
    public func gather(_ range: Range<Int>, into values: UnsafeMutablePointer<Float>) {
        forEachRun(in: range) { part, weights, _ in
            (values + (part.lowerBound - range.lowerBound)).update(from: weights, count: part.count)
        }
    }

    /// Copies `values`, `[range.count]`, to the weights of a packed range, and to the copy that products read.
    public func scatter(_ values: UnsafePointer<Float>, to range: Range<Int>) {
        forEachRun(in: range) { part, weights, parameter in
            weights.update(from: values + (part.lowerBound - range.lowerBound), count: part.count)
            let tensor = parameters[parameter].tensor
            let first = weights - tensor.pointer
            tensor.publish(first..<first + part.count)
        }
    }

    /// Calls `body` with each piece of a packed range, where it is in the model, and in which parameter; ascending.
    @inline(__always)
    func forEachRun(
        in range: Range<Int>,
        _ body: (_ part: Range<Int>, _ weights: UnsafeMutablePointer<Float>, _ parameter: Int) -> Void
    ) {
        precondition(range.lowerBound >= 0 && range.upperBound <= count, "PackedRowAccess: \(range) of \(count) values")
        guard !range.isEmpty else { return }
        var index = firstRun(endingAfter: range.lowerBound)
        var position = range.lowerBound
        while position < range.upperBound {
            let run = runs[index]
            let end = min(run.end, range.upperBound)
            body(position..<end, run.weights + (position - run.start), run.parameter)
            position = end
            index += 1
        }
    }

    private func firstRun(endingAfter position: Int) -> Int {
        var (low, high) = (0, runs.count)
        while low < high {
            let middle = (low + high) / 2
            if runs[middle].end <= position { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
