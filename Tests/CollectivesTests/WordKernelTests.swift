import CKernels
import Testing

@testable import Collectives

/// The C loops behind the codec against the plainest Swift.
@Suite struct WordKernelTests {
    @Test(arguments: [0, 1, 7, 8, 31, 32, 33, 1_000], [false, true])
    func planes(count: Int, rotate: Bool) {
        let words = Sample.random.words(count)
        var planes = [[UInt8]](repeating: .init(repeating: 0, count: count + 1), count: 4)
        var (p0, p1, p2, p3) = (planes[0], planes[1], planes[2], planes[3])
        neft_planes_split(words, count, rotate ? 1 : 0, &p0, &p1, &p2, &p3)
        planes = [p0, p1, p2, p3]
        for (index, word) in words.enumerated() {
            let word = rotate ? word << 1 | word >> 31 : word
            for plane in 0..<4 { #expect(planes[plane][index] == UInt8(truncatingIfNeeded: word >> (8 * plane))) }
        }
        #expect(planes.allSatisfy { $0[count] == 0 }, "nothing is written past the end")
        var merged = [UInt32](repeating: 0, count: count + 1)
        neft_planes_merge(&merged, count, rotate ? 1 : 0, p0, p1, p2, p3)
        #expect(Array(merged[..<count]) == words && merged[count] == 0)
    }

    @Test func deltasAreExactForAllBitPatterns() {
        let base = Sample.special.words(999) + Sample.random.words(1_001)
        let next = Array(Sample.special.words(998) + Sample.random.words(1_002))
        var delta = [UInt32](repeating: 0, count: base.count)
        neft_delta_encode(next, base, &delta, base.count)
        for index in base.indices {
            let difference = Int32(bitPattern: next[index] &- base[index])
            #expect(delta[index] == UInt32(bitPattern: difference &<< 1 ^ difference >> 31))
        }
        var result = [UInt32](repeating: 0, count: base.count)
        neft_delta_decode(delta, base, &result, base.count)
        #expect(result == next)
    }

    @Test func smallStepsGiveSmallDeltas() {
        let base: [UInt32] = [1.0, -1.0, 1.0, -1.0].map { (value: Float) in value.bitPattern }
        let next: [UInt32] = [Float(1).nextUp, Float(-1).nextDown, Float(1).nextDown, -1].map(\.bitPattern)
        var delta = [UInt32](repeating: 9, count: 4)
        neft_delta_encode(next, base, &delta, 4)
        #expect(delta == [2, 2, 1, 0])
    }

    @Test func theChecksumSeesEveryBitAndEveryPlace() {
        var words = Sample.random.words(75)
        let checksum = neft_words_checksum(words, words.count)
        for index in words.indices {
            for bit in 0..<32 {
                words[index] ^= 1 << UInt32(bit)
                #expect(neft_words_checksum(words, words.count) != checksum)
                words[index] ^= 1 << UInt32(bit)
            }
        }
        words.swapAt(3, 4)
        #expect(neft_words_checksum(words, words.count) != checksum)
        #expect(neft_words_checksum([0, 0], 2) != neft_words_checksum([0, 0], 1))
    }

    @Test(arguments: [0, 1, 2, 255, 4_096, 4_097, 65_536]) func sampleHistogram(count: Int) {
        let bytes = Sample.gaussian.words(count).map { UInt8(truncatingIfNeeded: $0 >> 20) }
        var histogram = [UInt32](repeating: 9, count: 256)
        let sampled = neft_sample_histogram(bytes, count, 16, 256, &histogram)
        #expect(sampled == min(count, 4_096))
        var expected = [UInt32](repeating: 0, count: 256)
        if count <= 4_096 {
            for byte in bytes { expected[Int(byte)] += 1 }
        } else {
            for piece in 0..<16 {
                let start = piece * (count - 256) / 15
                for byte in bytes[start..<start + 256] { expected[Int(byte)] += 1 }
            }
        }
        #expect(histogram == expected)
    }

    /// Round to nearest, ties to even, by definition: of the two neighbours the nearer one.
    func nearestBf16(_ value: Float) -> UInt32 {
        let lower = value.bitPattern >> 16
        let (down, up) = (Float(bitPattern: lower << 16), Float(bitPattern: (lower + 1) << 16))
        // Halfway to what lies beyond the largest number is infinity.
        let next = up.isFinite ? Double(up) : Double(sign: up.sign, exponent: 128, significand: 1)
        let (below, above) = (abs(Double(value) - Double(down)), abs(next - Double(value)))
        return below < above || (below == above && lower % 2 == 0) ? lower : lower + 1
    }

    @Test func bf16IsTheNearest() {
        var values = (Sample.random.words(5_000) + Sample.special.words(64)).map(Float.init(bitPattern:))
        // Ties.
        values += Sample.random.words(1_000).map { Float(bitPattern: $0 & 0xFFFF_0000 | 0x8000) }
        var words = [UInt32](repeating: 9, count: values.count)
        neft_bf16_round(values, &words, values.count)
        var floats = [Float](repeating: 0, count: values.count)
        neft_bf16_widen(words, &floats, values.count)
        for (index, value) in values.enumerated() {
            if value.isNaN {
                #expect(floats[index].isNaN && words[index] <= 0xFFFF)
            } else {
                #expect(words[index] == (value.isInfinite ? value.bitPattern >> 16 : nearestBf16(value)), "\(value)")
            }
        }
    }

    @Test func feedbackKeepsWhatRoundingTakes() {
        let values =
            Sample.gaussian.words(4_001).map(Float.init(bitPattern:)) + [.nan, .infinity, .greatestFiniteMagnitude]
        let before = Sample.gaussian.words(4_004).map { Float(bitPattern: $0) * 1e-3 }
        var residual = before
        var words = [UInt32](repeating: 0, count: values.count)
        neft_bf16_round_with_feedback(values, &residual, &words, values.count)
        for index in values.indices {
            let sum = values[index] + before[index]
            let sent = Float(bitPattern: words[index] << 16)
            #expect(residual[index] == (sent.isFinite ? sum - sent : 0))
        }
        #expect(Float(bitPattern: words[4_001] << 16).isNaN && Float(bitPattern: words[4_002] << 16) == .infinity)
    }

    @Test func deltasOfSixteenBitsAreExact() {
        let (base, next) = (Sample.random.words(2_001).map { $0 >> 16 }, Sample.special.words(2_001).map { $0 >> 16 })
        var delta = [UInt32](repeating: 0, count: base.count)
        neft_delta16_encode(next, base, &delta, base.count)
        for index in base.indices {
            let difference = Int16(bitPattern: UInt16(next[index]) &- UInt16(base[index]))
            #expect(delta[index] == UInt32(UInt16(bitPattern: difference &<< 1 ^ difference >> 15)))
        }
        neft_delta16_decode(delta, base, &delta, base.count)
        #expect(delta == next)
    }

    @Test(arguments: [0, 1, 31, 33, 1_000], [false, true])
    func planesOfSixteenBits(count: Int, rotate: Bool) {
        let words = Sample.random.words(count).map { $0 >> 16 }
        var (p0, p1) = ([UInt8](repeating: 0, count: count + 1), [UInt8](repeating: 0, count: count + 1))
        neft_planes16_split(words, count, rotate ? 1 : 0, &p0, &p1)
        for (index, word) in words.enumerated() {
            let word = UInt16(word)
            let rotated = rotate ? word << 1 | word >> 15 : word
            #expect(p0[index] == UInt8(truncatingIfNeeded: rotated) && p1[index] == UInt8(rotated >> 8))
        }
        #expect(p0[count] == 0 && p1[count] == 0, "nothing is written past the end")
        var merged = [UInt32](repeating: 7, count: count)
        neft_planes16_merge(&merged, count, rotate ? 1 : 0, p0, p1)
        #expect(merged == words)
    }
}
