/// How many rows have how many tokens, in at most twelve bins of equal, round width.
public struct LengthHistogram: Sendable, Equatable {
    /// Lengths next to each other.
    public struct Bin: Sendable, Equatable {
        /// Lengths of the bin, in tokens.
        public let lengths: ClosedRange<Int>
        /// Rows of such a length.
        public let rows: Int
    }

    /// Ascending, from the shortest row's bin to the longest row's.
    public let bins: [Bin]

    static let mostBins = 12

    /// Counts rows; no bins where there are no rows.
    public init(_ rows: [EncodedRow]) {
        let lengths = rows.map(\.tokens.count)
        guard let shortest = lengths.min(), let longest = lengths.max() else {
            bins = []
            return
        }
        let width = Self.width { longest / $0 - shortest / $0 < Self.mostBins }
        var counts = [Int](repeating: 0, count: longest / width - shortest / width + 1)
        for length in lengths { counts[length / width - shortest / width] += 1 }
        bins = counts.enumerated().map { index, count in
            let start = (shortest / width + index) * width
            return Bin(lengths: start...start + width - 1, rows: count)
        }
    }

    /// The first of 1, 2, 5, 10, 20, 50, … that fits.
    private static func width(fits: (Int) -> Bool) -> Int {
        var power = 1
        while true {
            for digit in [1, 2, 5] where fits(digit * power) { return digit * power }
            power *= 10
        }
    }
}
