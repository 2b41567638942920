import Testing

@testable import Collectives

@Suite struct WireAnalysisTests {
    private func analysis(_ content: WireAnalysis.Content, step: Float) throws -> WireAnalysis {
        let base = Sample.gaussian.words(200_000).map { Float(bitPattern: $0) * 300 }
        var stream = Stream(seed: 4)
        let values = base.map { $0 + step * Float(stream.normal()) }
        return try values.withUnsafeBufferPointer { values in
            try base.withUnsafeBufferPointer { try WireAnalysis(content, values: values, base: $0) }
        }
    }

    /// Planes with at least 1.5 bits per byte come within 7 % of what their frequencies allow (a code of at most 11 bits
    /// cannot do better where many bytes are rare), noise is left alone, and nothing beats its entropy by much.
    @Test(arguments: WireAnalysis.Content.allCases) func planesComeCloseToTheirEntropy(content: WireAnalysis.Content)
        throws
    {
        let analysis = try analysis(content, step: 1e-3)
        #expect(analysis.planes.count == (content == .gradient || content == .delta ? 4 : 2))
        var coded = 0
        for plane in analysis.planes {
            guard plane.entropy >= 1.5 else { continue }
            #expect(plane.coded >= 0.99 * plane.entropy)
            if plane.entropy < PlaneCodec.codedBelowBits {
                coded += 1
                #expect(plane.coded <= 1.07 * plane.entropy, "\(plane)")
            }
        }
        #expect(coded >= 1)
        #expect(analysis.plainBytes == 800_000 && analysis.encodeSeconds > 0 && analysis.decodeSeconds > 0)
        let planeBits = analysis.planes.reduce(0) { $0 + $1.coded }
        #expect(abs(analysis.codedBits - planeBits) < 0.02, "the rest is headers")
    }

    @Test func smallStepsCostLittle() throws {
        #expect(try analysis(.delta16, step: 1e-6).ratio > 50)
        #expect(try analysis(.delta, step: 1e-6).ratio > 1.5)
        #expect(try analysis(.gradient16, step: 1e-3).ratio > 2.7)
    }
}
