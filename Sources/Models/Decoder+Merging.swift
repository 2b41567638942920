import Checkpoints
import Kernels

extension Decoder {
    /// Puts one row of a weight into `values` `[in]`, in fp32, with LoRA's product added where LoRA is on it: what a model
    /// without LoRA needs there to compute the same.
    /// `parameter`: index into `parameters`, of a weight of the model itself.
    public func readMergedRow(_ parameter: Int, _ row: Int, into values: UnsafeMutablePointer<Float>) {
        let tensor = parameters[parameter].tensor
        tensor.copyRow(row, to: values)
        guard let adapters, case .projection(let layer, let projection) = parameters[parameter].role,
            let pair = adapters.factors[layer][projection.rawValue]
        else { return }
        addLowRankRow(
            to: values, b: pair.b.pointer + row * pair.b.columns, a: pair.a.pointer, rank: pair.a.rows,
            columns: tensor.columns, factor: adapters.configuration.scale)
    }

    /// Adds a low-rank product to a weight, in this process's memory: `W += factor · B A`.
    /// `parameter`: index into `parameters`, of `[out, in]`.
    /// `a`: `[rank, in]`.
    /// `b`: `[out, rank]`; rows without a value other than zero are not touched.
    /// `bRow`: which row of `b` belongs to a row of the weight; nil for the same.
    public func addProduct(
        to parameter: Int, a: FloatTensor, b: FloatTensor, factor: Float, bRow: ((Int) -> Int)? = nil
    ) {
        let tensor = parameters[parameter].tensor
        precondition(
            a.columns == tensor.columns && b.rows == tensor.rows && a.rows == b.columns,
            "addProduct: factors of another shape for \(tensor.name)")
        for row in 0..<tensor.rows {
            let left = b.pointer + (bRow?(row) ?? row) * b.columns
            guard (0..<b.columns).contains(where: { left[$0] != 0 }) else { continue }
            tensor.materialise([Int32(row)])
            let first = row * tensor.columns
            addLowRankRow(
                to: tensor.pointer + first, b: left, a: a.pointer, rank: a.rows, columns: tensor.columns, factor: factor
            )
            tensor.publish(first..<first + tensor.columns)
        }
    }

    /// Modules that LoRA is on.
    public var lowRankModules: Set<String> {
        Set(
            parameters.compactMap { parameter in
                guard case .lowRankA(let layer, let projection) = parameter.role else { return nil }
                return Self.moduleName(layer: layer, projection)
            })
    }

    /// The factor that LoRA's products are multiplied by; nil without LoRA.
    public var lowRankScale: Float? { adapters?.configuration.scale }
}
