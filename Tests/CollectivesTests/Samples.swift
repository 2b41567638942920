import Glibc

/// A stream of numbers that depends on its seed alone (SplitMix64).
struct Stream: RandomNumberGenerator {
    private var state: UInt64

    init(seed: Int) { state = UInt64(truncatingIfNeeded: seed) &* 0x2545_F491_4F6C_DD1D }

    mutating func next() -> UInt64 {
        state &+= 0x9E37_79B9_7F4A_7C15
        var word = state
        word = (word ^ (word >> 30)) &* 0xBF58_476D_1CE4_E5B9
        word = (word ^ (word >> 27)) &* 0x94D0_49BB_1331_11EB
        return word ^ (word >> 31)
    }

    /// Normally distributed, mean 0, standard deviation 1 (Box-Muller).
    mutating func normal() -> Double {
        let radius = (-2 * log(Double.random(in: Double.ulpOfOne..<1, using: &self))).squareRoot()
        return radius * cos(2 * .pi * Double.random(in: 0..<1, using: &self))
    }
}

/// Words as the exchange meets them, by name.
enum Sample: String, CaseIterable {
    case random, gaussian, special, zeros, sparse, constant, smallDeltas, longTail

    func words(_ count: Int) -> [UInt32] {
        var stream = Stream(seed: count)
        let special: [UInt32] = [
            0, 0x8000_0000, 1, 0x8000_0001, 0x7F80_0000, 0xFF80_0000, 0x7FC0_0000, 0x7FC0_1234, 0xFFC0_0001,
            0x7F80_0001, 0x007F_FFFF, 0x0080_0000, 0x7F7F_FFFF, 0xFF7F_FFFF, 0xFFFF_FFFF, 0x3F80_0000,
        ]
        return (0..<count).map { index in
            switch self {
            case .random: UInt32(truncatingIfNeeded: stream.next())
            case .gaussian: Float(stream.normal() * 3e-4).bitPattern
            case .special: special[Int(stream.next() % 16)]
            case .zeros: 0
            case .sparse: stream.next() % 50 == 0 ? UInt32(truncatingIfNeeded: stream.next()) : 0
            case .constant: 0xDEAD_BEEF
            case .smallDeltas: UInt32(abs(stream.normal()) * 5_000)
            case .longTail: UInt32(min(16e6, 40_000 * exp(1.5 * stream.normal())))
            }
        }
    }
}
