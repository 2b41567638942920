import Foundation
import Testing

@testable import Training

@Suite struct LearningRateScheduleTests {
    private func rates(_ shape: LearningRateSchedule.Shape, _ warmup: Warmup, total: Int) -> [Double] {
        let schedule = LearningRateSchedule(shape: shape, base: 2, warmup: warmup, totalSteps: total)
        return (0..<total).map { schedule.rate(step: $0) }
    }

    private func expectEqual(_ found: [Double], _ expected: [Double]) {
        #expect(found.count == expected.count)
        for (a, b) in zip(found, expected) { #expect(abs(a - b) <= 1e-15 * abs(b) + 1e-300) }
    }

    @Test func linearFallsToOneStepAboveZero() {
        expectEqual(rates(.linear, .steps(2), total: 6), [1, 2, 2, 1.5, 1, 0.5])
        expectEqual(rates(.linear, .steps(0), total: 4), [2, 1.5, 1, 0.5])
    }

    @Test func cosineFallsFromBase() {
        let expected = [2.0 / 3, 4.0 / 3, 2, 2] + (1..<4).map { 1 + cos(Double.pi * Double($0) / 4) }
        expectEqual(rates(.cosine, .steps(3), total: 7), expected)
    }

    @Test func constantStaysAtBase() {
        expectEqual(rates(.constant, .steps(4), total: 6), [0.5, 1, 1.5, 2, 2, 2])
    }

    @Test func warmupOfAllStepsNeverDividesByZero() {
        for shape in LearningRateSchedule.Shape.allCases {
            expectEqual(rates(shape, .steps(9), total: 3), [2.0 / 3, 4.0 / 3, 2])
            expectEqual(rates(shape, .share(1), total: 1), [2])
        }
    }

    /// Shares are rounded up, and only what is really more than a whole step is.
    @Test(arguments: [
        (0.05, 200, 10), (0.05, 201, 11), (0.05, 1, 1), (0, 100, 0), (0.07, 100, 7), (1, 7, 7), (0.5, 3, 2),
    ])
    func shareOfSteps(share: Double, total: Int, expected: Int) {
        #expect(Warmup.share(share).steps(of: total) == expected)
    }
}
