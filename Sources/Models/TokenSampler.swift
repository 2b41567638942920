import Foundation

/// How the next token is drawn from a model's logits.
public struct Sampling: Sendable, Equatable {
    /// What logits are divided by, above 0: less makes likely tokens likelier.
    public var temperature: Double
    /// Only the likeliest tokens are drawn whose probabilities sum up to this, in 0 < … ≤ 1.
    public var topP: Double
    /// Only so many of the likeliest tokens are drawn, before `topP` looks at them; nil for all.
    public var topK: Int?
    /// Where the random numbers begin.
    public var seed: UInt64

    /// As the members are named.
    public init(temperature: Double, topP: Double = 1, topK: Int? = nil, seed: UInt64) {
        self.temperature = temperature
        self.topP = topP
        self.topK = topK
        self.seed = seed
    }
}

/// Draws one token after the other: the same ones for the same logits and seed.
public struct TokenSampler {
    /// A token that may be drawn, and its probability times an unknown number.
    public struct Candidate: Equatable {
        /// Its id.
        public let token: Int32
        /// Its probability times that number.
        public let weight: Double

        /// Likelier, or as likely with a smaller id.
        fileprivate func isBefore(_ other: Candidate) -> Bool {
            weight > other.weight || (weight == other.weight && token < other.token)
        }
    }

    private let sampling: Sampling
    private var random: SplitMix64

    /// Begins with the seed's random numbers.
    public init(_ sampling: Sampling) {
        self.sampling = sampling
        random = SplitMix64(seed: sampling.seed)
    }

    /// Draws a token.
    public mutating func choose(_ logits: UnsafeBufferPointer<Float>) -> Int32 {
        let candidates = candidates(logits)
        var left = random.nextUnit() * candidates.reduce(0) { $0 + $1.weight }
        for candidate in candidates {
            left -= candidate.weight
            if left < 0 { return candidate.token }
        }
        // Only rounding leads here.
        return candidates[candidates.count - 1].token
    }

    /// The tokens that may be drawn, at least one: all of them by id, or with `topP` or `topK` the likeliest first.
    public func candidates(_ logits: UnsafeBufferPointer<Float>) -> [Candidate] {
        let largest = logits.reduce(-Float.infinity) { $1 > $0 ? $1 : $0 }
        let all = logits.enumerated().map { token, logit in
            // What is no number is never drawn where there is one.
            let weight =
                logit == largest
                ? 1 : logit < largest ? exp((Double(logit) - Double(largest)) / sampling.temperature) : 0
            return Candidate(token: Int32(token), weight: weight)
        }
        guard sampling.topP < 1 || sampling.topK != nil else { return all }
        if let topK = sampling.topK, topK < all.count {
            let likeliest = Self.likeliest(topK, of: all)
            return Self.nucleus(likeliest, weight: sampling.topP * likeliest.reduce(0) { $0 + $1.weight })
        }
        // Tokens below this share have less than 1 − topP together: none of them is needed, and few are left to sort.
        let total = all.reduce(0) { $0 + $1.weight }
        let least = (1 - sampling.topP) * total / Double(all.count)
        let likeliest = all.filter { $0.weight >= least }.sorted { $0.isBefore($1) }
        return Self.nucleus(likeliest, weight: sampling.topP * total)
    }

    /// The first `count` in order.
    private static func likeliest(_ count: Int, of all: [Candidate]) -> [Candidate] {
        var best: [Candidate] = []
        best.reserveCapacity(count + 1)
        for candidate in all {
            if best.count == count, best[count - 1].isBefore(candidate) { continue }
            var (low, high) = (0, best.count)
            while low < high {
                let middle = (low + high) / 2
                if best[middle].isBefore(candidate) { low = middle + 1 } else { high = middle }
            }
            best.insert(candidate, at: low)
            if best.count > count { best.removeLast() }
        }
        return best
    }

    /// The shortest beginning that weighs so much.
    private static func nucleus(_ sorted: [Candidate], weight: Double) -> [Candidate] {
        var sum = 0.0
        for (index, candidate) in sorted.enumerated() {
            sum += candidate.weight
            if sum >= weight { return Array(sorted[...index]) }
        }
        return sorted
    }
}
