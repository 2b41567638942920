import Testing

@testable import Collectives

/// A run of one rank, without MPI.
@Suite struct OneRankTests {
    @Test(arguments: ExchangeOptions.Mode.allCases, ExchangeOptions.Wire.allCases)
    func aStepSendsNothing(mode: ExchangeOptions.Mode, wire: ExchangeOptions.Wire) throws {
        let count = 10_000
        let options = ExchangeOptions(mode: mode, wire: wire)
        let exchange = RowExchange(communicator: LocalCommunicator(), count: count, options: options)
        #expect(exchange.owned == [0..<count])
        let gradient = Sample.gaussian.words(count).map(Float.init(bitPattern:))
        var reduced = gradient
        var weights = [Float](repeating: 0, count: count)
        try reduced.withUnsafeMutableBufferPointer { try exchange.reduce($0, leafCount: 5) }
        #expect(reduced == gradient)
        try reduced.withUnsafeMutableBufferPointer { values in
            try exchange.share(
                values, read: { _, _ in Issue.record("nothing is coded") },
                write: { range, values in for index in range { weights[index] = values[index - range.lowerBound] } })
        }
        #expect(weights == gradient)
        #expect(exchange.takeStatistics().wireBytes == 0)
    }

    @Test(arguments: [0, 1, 3, 4_095, 4_096, 4_097, 50_001]) func normIsThatOfThePlainSum(count: Int) {
        var values = Sample.gaussian.words(count).map(Float.init(bitPattern:))
        let exchange = RowExchange(communicator: LocalCommunicator(), count: count, options: ExchangeOptions())
        let norm = values.withUnsafeMutableBufferPointer { exchange.norm($0) }
        let plain = values.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
        #expect(abs(norm - plain) <= 1e-13 * plain)
    }

    @Test func normOfANaNIsOne() {
        var values = [Float](repeating: 1, count: 5_000)
        values[4_999] = .nan
        let exchange = RowExchange(communicator: LocalCommunicator(), count: 5_000, options: ExchangeOptions())
        #expect(values.withUnsafeMutableBufferPointer { exchange.norm($0) }.isNaN)
    }

    @Test func oneRankAgreesWithItself() throws {
        let communicator = LocalCommunicator()
        #expect(!communicator.hostName.isEmpty && !communicator.hostName.contains("."))
        #expect(communicator.disagreement(on: "anything") == nil)
        try communicator.requireAgreement(on: "model.gguf", value: "sha256:00")
        #expect(communicator.broadcast([1, 2, 3]) == [1, 2, 3])
        #expect(communicator.allGather([7]) == [[7]])
    }
}
