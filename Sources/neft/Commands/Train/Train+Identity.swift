import Models
import Neurons
import Training

extension Train {
    /// What two parts of one run have in common, by name.
    /// `mask`: of `--neurons`.
    /// `dataHash`: SHA-256 of the data file.
    func identity(
        rows: SampledRows, mask: NeuronMask?, lowRank: LowRankConfiguration?, baseHash: String, dataHash: String,
        compute: ComputeType
    ) -> RunIdentity {
        let dataFacts: [RunIdentity.Fact] = [
            .init("--data", "with SHA-256 \(dataHash.prefix(16))"),
            .init("--limit", data.limit.map { "\($0)" } ?? "none"),
            .init("--max-length", data.maxLength.map { "\($0)" } ?? "the model's"),
            .init("--field", data.field.isEmpty ? "none" : data.field.joined(separator: ",")),
            .init("--skip-bad-rows", "\(data.skipBadRows)"),
            .init("--chat-template", template.chatTemplate ?? "the model's"),
        ]
        return RunIdentity(
            [
                .init("--model", "with base hash \(baseHash.prefix(16))"), .init("--compute", compute.rawValue),
            ] + dataFacts + trainingConfiguration.resultFacts
                + rows.resultFacts + selectionFacts(mask: mask)
                + (lowRank.map {
                    [.init("LoRA", "of rank \($0.rank), alpha \($0.alpha), dropout \($0.dropout)")]
                } ?? []))
    }

    /// How the neurons came to be chosen, or which they are.
    private func selectionFacts(mask: NeuronMask?) -> [RunIdentity.Fact] {
        guard method.method == .neft else { return [] }
        if let mask { return [Self.fact(of: mask)] }
        let settings = resolved.dictionary
        return ["top", "scope", "projections", "layers", "profile-method", "profile-steps"].map {
            .init("--\($0)", settings[$0] ?? "none")
        }
    }

    /// The neurons themselves; in every checkpoint, so that a run can go on with `--neurons RUN/neurons.safetensors`.
    static func fact(of mask: NeuronMask) -> RunIdentity.Fact {
        .init("--neurons", "with hash \(mask.hash.prefix(16))")
    }
}
