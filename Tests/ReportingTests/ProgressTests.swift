import Testing

@testable import Reporting

struct ProgressTests {
    @Test func atTheStartTheRateIsThePlainAverage() throws {
        var progress = ProgressEstimator(total: 100, at: 1000)
        #expect(progress.rate == nil && progress.secondsLeft == nil && progress.fraction == 0)
        progress.update(done: 10, at: 1005)
        #expect(progress.rate == 2)
        #expect(progress.secondsLeft == 45)
        #expect(progress.fraction == 0.1)
    }

    @Test func aSteadyPaceStaysSteady() throws {
        var progress = ProgressEstimator(total: 1000, at: 0)
        for i in 1...200 { progress.update(done: i * 3, at: Double(i) * 0.5) }
        #expect(abs(try #require(progress.rate) - 6) < 1e-9)
        #expect(abs(try #require(progress.secondsLeft) - 400.0 / 6) < 1e-9)
    }

    @Test func aChangeOfPaceIsFollowedSmoothly() throws {
        var progress = ProgressEstimator(total: 1_000_000, at: 0, halfLife: 10)
        for i in 1...1000 { progress.update(done: i * 10, at: Double(i)) }
        var rates: [Double] = []
        for i in 1...100 {
            progress.update(done: 10_000 + i * 40, at: Double(1000 + i))
            rates.append(try #require(progress.rate))
        }
        #expect(rates[0] < 13)
        // Half of the way after one half-life, nearly all of it after ten.
        #expect(abs(rates[9] - 25) < 0.1)
        #expect(rates[99] > 39.9 && rates[99] < 40)
        #expect(zip(rates, rates.dropFirst()).allSatisfy { $0 < $1 })
    }

    @Test func resumedWorkDoesNotCountForTheRate() {
        var progress = ProgressEstimator(total: 100, done: 80, at: 0)
        progress.update(done: 90, at: 10)
        #expect(progress.rate == 1 && progress.secondsLeft == 10 && progress.fraction == 0.9)
    }

    @Test func oddClocksAndCountsAreHarmless() {
        var progress = ProgressEstimator(total: 10, at: 5)
        progress.update(done: 2, at: 5)
        #expect(progress.rate == nil)
        progress.update(done: 1, at: 3)
        #expect(progress.done == 2 && progress.rate == nil)
        progress.update(done: 4, at: 7)
        #expect(progress.rate.map { abs($0 - 2) < 0.2 } == true)
        progress.update(done: 12, at: 8)
        #expect(progress.secondsLeft == 0 && progress.fraction == 1)
        #expect(ProgressEstimator(total: 0, at: 0).secondsLeft == 0)
    }

    @Test(arguments: [
        (0, "0.0s"), (0.44, "0.4s"), (9.94, "9.9s"), (9.96, "10s"), (45.4, "45s"), (59.4, "59s"), (59.6, "1m 00s"),
        (80, "1m 20s"), (3599.6, "1h 00m"), (7500, "2h 05m"), (86399.7, "1d 00h"), (273_600, "3d 04h"),
        (Double.nan, "–"), (Double.infinity, "–"), (-1, "–"), (1e300, "–"),
    ]) func durations(seconds: Double, text: String) {
        #expect(Human.duration(seconds) == text)
    }

    @Test(arguments: [
        (0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (12_345_678, "12.3 MB"), (999_949, "999.9 kB"),
        (999_950, "1.0 MB"), (538_000_000, "538.0 MB"), (5_000_000_000, "5.0 GB"), (-2500, "-2.5 kB"),
        (Int.max, "9223.4 PB"),
    ]) func byteCounts(count: Int, text: String) {
        #expect(Human.bytes(count) == text)
    }

    @Test(arguments: [
        (0, "0"), (950, "950"), (12_345, "12.3 k"), (5_689_000, "5.7 M"), (134_515_008, "134.5 M"), (-950, "-950"),
    ]) func counts(count: Int, text: String) {
        #expect(Human.count(count) == text)
    }
}
