import Foundation
import Testing

@testable import Collectives

@Suite struct PlaneCodecTests {
    let codec = PlaneCodec()

    func encoded(_ words: [UInt32], _ content: FrameHeader.Content = .gradient) -> [UInt8] {
        // The byte behind the bound must not be touched.
        var output = [UInt8](repeating: 0xA5, count: PlaneCodec.frameBound(words.count) + 1)
        let size = output.withUnsafeMutableBytes {
            codec.encode(words, count: words.count, content: content, to: $0.baseAddress!)
        }
        #expect(size < output.count && output.last == 0xA5)
        return Array(output[..<size])
    }

    func decoded(_ frame: [UInt8], count: Int, _ content: FrameHeader.Content = .gradient) throws -> [UInt32] {
        var words = [UInt32](repeating: 0xA5A5_A5A5, count: count)
        let read = try words.withUnsafeMutableBufferPointer { words in
            try frame.withUnsafeBytes {
                // Any non-nil address serves for no words.
                try codec.decode(
                    $0, count: count, content: content, to: words.baseAddress ?? UnsafeMutablePointer(bitPattern: 64)!,
                    sender: 3)
            }
        }
        #expect(read <= frame.count)
        return words
    }

    @Test(arguments: Sample.allCases, [0, 1, 4, 31, 33, 4_095, 4_096, 4_097, 65_536])
    func whatIsDecodedIsWhatWasEncoded(sample: Sample, count: Int) throws {
        let words = sample.words(count)
        for content in [FrameHeader.Content.gradient, .delta] {
            let frame = encoded(words, content)
            #expect(try decoded(frame, count: count, content) == words)
            // Bytes that follow are not the frame's.
            #expect(try decoded(frame + [1, 2, 3], count: count, content) == words)
            #expect(frame.count <= FrameHeader.byteCount + 4 * count)
        }
    }

    @Test(arguments: Sample.allCases, [0, 1, 4_097, 65_536])
    func wordsOfSixteenBits(sample: Sample, count: Int) throws {
        let words = sample.words(count).map { $0 >> 16 }
        for content in [FrameHeader.Content.gradient16, .delta16] {
            let frame = encoded(words, content)
            #expect(try decoded(frame, count: count, content) == words)
            #expect(frame.count <= FrameHeader.byteCount + 2 * count)
            for other in [FrameHeader.Content.gradient, .delta] where count > 0 {
                #expect(throws: CollectiveError.self) { try decoded(frame, count: count, other) }
            }
        }
    }

    /// A long tail of rare bytes costs at most a twentieth more than its entropy.
    @Test func rareBytesAreExceptions() throws {
        let words = Sample.longTail.words(65_536)
        for content in [FrameHeader.Content.delta, .delta16] {
            let isWide = content == .delta
            let words = isWide ? words : words.map { $0 >> 16 }
            let frame = encoded(words, content)
            let header = try frame.withUnsafeBytes { try FrameHeader.read($0, count: words.count, content: content) }
            let plane = isWide ? 2 : 0
            #expect(header.escapedPlanes == 1 << plane)
            #expect(try decoded(frame, count: words.count, content) == words)
            var counts = [Double](repeating: 0, count: 256)
            for word in words { counts[Int(word >> (8 * plane) & 255)] += 1 }
            let entropy = counts.filter { $0 > 0 }.reduce(0) { $0 - $1 / 65_536 * log2($1 / 65_536) }
            let bits = Double(header.planeSizes[plane]) * 8 / 65_536
            #expect(bits > entropy * 0.98 && bits < entropy * 1.05, "\(bits) bits, entropy \(entropy)")
            // A damaged list is found.
            var damaged = frame
            let start = FrameHeader.byteCount + (isWide ? 2 * 65_536 : 0)
            damaged[start + 1] ^= 1
            #expect(throws: CollectiveError.self) { try decoded(damaged, count: words.count, content) }
            damaged[start + 2] = 0xFF
            #expect(throws: CollectiveError.self) { try decoded(damaged, count: words.count, content) }
        }
    }

    @Test func planesCanBeStored() throws {
        let words = Sample.gaussian.words(5_000)
        var output = [UInt8](repeating: 0, count: PlaneCodec.frameBound(words.count))
        let size = output.withUnsafeMutableBytes {
            codec.encode(words, count: words.count, content: .gradient, compresses: false, to: $0.baseAddress!)
        }
        #expect(size == FrameHeader.byteCount + 4 * words.count)
        #expect(try decoded(Array(output[..<size]), count: words.count) == words)
    }

    @Test func longBuffersAreSeveralFrames() throws {
        let words = Sample.gaussian.words(100_000)
        var result: [UInt32] = []
        for start in stride(from: 0, to: words.count, by: PlaneCodec.frameValues) {
            let piece = Array(words[start..<min(start + PlaneCodec.frameValues, words.count)])
            result += try decoded(encoded(piece), count: piece.count)
        }
        #expect(result == words)
    }

    @Test func theSameWordsGiveTheSameBytes() {
        let words = Sample.gaussian.words(50_000)
        let first = encoded(words)
        _ = encoded(Sample.sparse.words(1_000))
        #expect(encoded(words) == first)
        #expect(PlaneCodec().encodedForTest(words) == first)
    }

    /// A damaged frame is refused, or decodes to the very words all the same (a bit that zstd does not use).
    @Test(arguments: [Sample.gaussian, .sparse, .zeros, .random])
    func damagedFramesAreRefused(sample: Sample) throws {
        let words = sample.words(5_000)
        let frame = encoded(words)
        var stream = Stream(seed: 5)
        var refused = 0
        let header = Array(0..<FrameHeader.byteCount)
        let places = header + (0..<400).map { _ in Int.random(in: 0..<frame.count, using: &stream) }
        for place in places {
            var damaged = frame
            damaged[place] ^= UInt8(1 << Int.random(in: 0..<8, using: &stream))
            do {
                let result = try decoded(damaged, count: words.count)
                #expect(result == words, "byte \(place)")
                #expect(place >= FrameHeader.byteCount, "byte \(place) of the header")
            } catch let error as CollectiveError {
                refused += 1
                #expect("\(error)".hasPrefix("coded message from rank 3: "))
            }
        }
        #expect(refused >= places.count * 9 / 10, "\(refused) of \(places.count)")
    }

    @Test func truncatedFramesAndOtherLengthsAreRefused() throws {
        let words = Sample.gaussian.words(4_096)
        let frame = encoded(words)
        for length in [0, 1, 3, 4, 39, 40, 41, frame.count / 2, frame.count - 1] {
            #expect(throws: CollectiveError.self) { try decoded(Array(frame[..<length]), count: 4_096) }
        }
        for count in [0, 1, 4_095, 4_097] {
            #expect(throws: CollectiveError.self) { try decoded(frame, count: count) }
        }
        #expect(throws: CollectiveError.self) { try decoded(frame, count: 4_096, .delta) }
        #expect(throws: CollectiveError.self) { try decoded([UInt8](repeating: 0, count: 20_000), count: 4_096) }
    }

    /// Order-0 entropy, bits per byte.
    func entropy(_ bytes: [UInt8]) -> Double {
        var counts = [Int](repeating: 0, count: 256)
        for byte in bytes { counts[Int(byte)] += 1 }
        return counts.filter { $0 > 0 }.reduce(0) { sum, count in
            let frequency = Double(count) / Double(bytes.count)
            return sum - frequency * log2(frequency)
        }
    }

    /// Each coded plane with at least 1.5 bits per byte is within 5 % of its order-0 entropy, and the planes of noise
    /// are left alone.
    @Test func codedPlanesComeCloseToTheirEntropy() throws {
        let count = PlaneCodec.frameValues
        var checked = 0
        for (sample, content) in [(Sample.gaussian, FrameHeader.Content.gradient), (.smallDeltas, .delta)] {
            let words = sample.words(count)
            let header = try encoded(words, content).withUnsafeBytes {
                try FrameHeader.read($0, count: count, content: content)
            }
            for plane in 0..<4 {
                let bytes = words.map { word in
                    let word = content == .gradient ? word << 1 | word >> 31 : word
                    return UInt8(truncatingIfNeeded: word >> (8 * UInt32(plane)))
                }
                let bits = entropy(bytes)
                let size = Int(header.planeSizes[plane])
                if bits > 7.9 { #expect(size == count, "plane \(plane) of \(sample) is noise") }
                guard bits >= 1.5, bits < PlaneCodec.codedBelowBits else { continue }
                checked += 1
                #expect(Double(size) * 8 <= 1.05 * bits * Double(count), "plane \(plane) of \(sample): \(bits) bits")
            }
        }
        #expect(checked == 2, "the exponents of the gradients and the second byte of the deltas")
    }

    @Test func gradientsShrinkAsMuchAsTheirExponents() {
        let count = PlaneCodec.frameValues
        let ratio = Double(4 * count) / Double(encoded(Sample.gaussian.words(count)).count)
        #expect(ratio > 1.17)
    }
}

extension PlaneCodec {
    fileprivate func encodedForTest(_ words: [UInt32]) -> [UInt8] {
        var output = [UInt8](repeating: 0, count: PlaneCodec.frameBound(words.count))
        let size = output.withUnsafeMutableBytes {
            encode(words, count: words.count, content: .gradient, to: $0.baseAddress!)
        }
        return Array(output[..<size])
    }
}
