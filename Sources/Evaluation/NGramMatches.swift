/// Counts the n-grams that two sequences share, each at most as often as it occurs in either (clipped counts).
enum NGramMatches {
    /// - Parameters:
    ///   - hypothesis: symbols (code points or token numbers).
    ///   - reference: likewise.
    ///   - maxOrder: longest n-gram.
    /// - Returns: matches of order 1 … `maxOrder`, `[maxOrder]`.
    static func count(hypothesis: [UInt32], reference: [UInt32], maxOrder: Int) -> [Int] {
        // An n-gram is numbered by the pair (number of its first n - 1 symbols, last symbol), so one 64-bit key does
        // for every order. A reference n-gram that the hypothesis lacks can be the beginning of no match: `unmatched`.
        let unmatched = UInt32.max
        var hypothesisPrefix = [UInt32](repeating: 0, count: hypothesis.count)
        var referencePrefix = [UInt32](repeating: 0, count: reference.count)
        var result = [Int](repeating: 0, count: maxOrder)
        for order in 1...maxOrder {
            var numbers: [UInt64: Int] = [:]
            var remaining: [Int] = []
            for start in hypothesis.indices.dropLast(order - 1) {
                let key = UInt64(hypothesisPrefix[start]) << 32 | UInt64(hypothesis[start + order - 1])
                if let number = numbers[key] {
                    remaining[number] += 1
                    hypothesisPrefix[start] = UInt32(number)
                } else {
                    numbers[key] = remaining.count
                    hypothesisPrefix[start] = UInt32(remaining.count)
                    remaining.append(1)
                }
            }
            for start in reference.indices.dropLast(order - 1) where referencePrefix[start] != unmatched {
                let key = UInt64(referencePrefix[start]) << 32 | UInt64(reference[start + order - 1])
                guard let number = numbers[key] else {
                    referencePrefix[start] = unmatched
                    continue
                }
                referencePrefix[start] = UInt32(number)
                if remaining[number] > 0 {
                    remaining[number] -= 1
                    result[order - 1] += 1
                }
            }
        }
        return result
    }
}
