import Checkpoints
import Glibc

/// How a checkpoint scales its rotary frequencies, as what each of them is divided by.
enum RoPEScaling {
    /// What a divisor can be: models divide by 1 to 64.
    private static let range = 1e-3...1e6

    /// From `rope_parameters`, or `rope_scaling` of older files.
    /// - Returns: `[headDim / 2]`; empty where nothing is scaled.
    /// - Throws: for types other than `default`, `linear` and `llama3`, and for numbers that cannot be meant.
    static func divisors(
        _ config: ConfigurationFile, headDim: Int, theta: Double
    ) throws(CheckpointError) -> [Double] {
        let newer = try config.object("rope_parameters")
        guard let section = try config.object("rope_scaling") ?? newer else { return [] }
        let kind = try section.text("rope_type", default: try section.text("type", default: "default"))
        switch kind {
        case "default": return []
        case "linear": return try linear(factor(section), headDim: headDim)
        case "llama3": return try llama3(section, headDim: headDim, theta: theta)
        default:
            throw CheckpointError(
                file: config.path, item: "rope_scaling", found: kind, expected: "\"default\", linear or llama3",
                hint: "neft does not compute this scaling of the rotary positions")
        }
    }

    /// From `rope.scaling.*` and `rope_freqs.weight` of a GGUF file.
    static func divisors(_ metadata: GGUFMetadata, headDim: Int) throws(CheckpointError) -> [Double] {
        let file = metadata.file
        let kind = file.metadata["\(metadata.architecture).rope.scaling.type"]?.text ?? "none"
        guard kind == "none" || kind == "linear" else {
            throw CheckpointError(
                file: file.path, item: "\(metadata.architecture).rope.scaling.type", found: kind,
                expected: "none or linear", hint: "neft does not compute this scaling of the rotary positions")
        }
        var divisors: [Double] = []
        if file.entries["rope_freqs.weight"] != nil {
            let tensor = try file.floats("rope_freqs.weight", as: "rope_freqs.weight", shape: [headDim / 2])
            divisors = tensor.values.map(Double.init)
            if let other = divisors.first(where: { !range.contains($0) }) {
                throw outside(file.path, "rope_freqs.weight", other)
            }
        }
        // llama.cpp's first name for it was scale_linear, without a type.
        let factor = try metadata.number(
            "rope.scaling.factor", default: metadata.number("rope.scale_linear", default: 1))
        guard kind == "linear" || metadata.has("rope.scale_linear"), factor != 1 else { return divisors }
        guard range.contains(factor) else { throw outside(file.path, "rope.scaling.factor", factor) }
        return divisors.isEmpty ? linear(factor, headDim: headDim) : divisors.map { $0 * factor }
    }

    private static func linear(_ factor: Double, headDim: Int) -> [Double] {
        factor == 1 ? [] : Array(repeating: factor, count: headDim / 2)
    }

    /// Of Llama 3.1: long wavelengths are divided by the factor, short ones stay, those between are blended.
    private static func llama3(
        _ section: ConfigurationFile, headDim: Int, theta: Double
    ) throws(CheckpointError) -> [Double] {
        let factor = try factor(section)
        let (low, high) = (try positive(section, "low_freq_factor"), try positive(section, "high_freq_factor"))
        let original = try positive(section, "original_max_position_embeddings")
        guard low < high else {
            throw CheckpointError(
                file: section.path, item: "\(section.prefix)high_freq_factor", found: "\(high)",
                expected: "more than low_freq_factor, \(low)", hint: "the file is damaged")
        }
        return llama3(factor: factor, low: low, high: high, original: original, headDim: headDim, theta: theta)
    }

    /// `rope_scaling` of Llama 3.1 to 3.3 that gives a model's divisors, whose numbers GGUF files do not hold; nil where
    /// there is none.
    static func llama3Section(of c: DecoderConfiguration) -> [String: Any]? {
        let factor = (c.ropeDivisors.max() ?? 1).rounded()
        let (low, high, original) = (1.0, 4.0, 8192.0)
        let divisors = llama3(
            factor: factor, low: low, high: high, original: original, headDim: c.headDim, theta: c.ropeTheta)
        guard zip(divisors, c.ropeDivisors).allSatisfy({ abs($0 - $1) <= 1e-5 * $0 }) else { return nil }
        return [
            "rope_type": "llama3", "factor": factor, "low_freq_factor": low, "high_freq_factor": high,
            "original_max_position_embeddings": Int(original),
        ]
    }

    private static func llama3(
        factor: Double, low: Double, high: Double, original: Double, headDim: Int, theta: Double
    ) -> [Double] {
        (0..<headDim / 2).map { i -> Double in
            let wavelength = 2 * Double.pi * pow(theta, Double(2 * i) / Double(headDim))
            if wavelength < original / high { return 1 }
            if wavelength > original / low { return factor }
            let smooth = (original / wavelength - low) / (high - low)
            return 1 / ((1 - smooth) / factor + smooth)
        }
    }

    private static func factor(_ section: ConfigurationFile) throws(CheckpointError) -> Double {
        let factor = try section.number("factor")
        guard range.contains(factor) else { throw outside(section.path, "\(section.prefix)factor", factor) }
        return factor
    }

    private static func outside(_ file: String, _ item: String, _ value: Double) -> CheckpointError {
        CheckpointError(
            file: file, item: item, found: "\(value)",
            expected: "numbers from \(range.lowerBound) to \(range.upperBound)", hint: "the file is damaged")
    }

    private static func positive(_ section: ConfigurationFile, _ key: String) throws(CheckpointError) -> Double {
        let value = try section.number(key)
        guard value > 0, value.isFinite else {
            throw CheckpointError(
                file: section.path, item: "\(section.prefix)\(key)", found: "\(value)", expected: "a number above 0",
                hint: "the file is damaged")
        }
        return value
    }
}
