import Glibc

/// Rate and remaining time of work of known size. The clock is the caller's: seconds from any origin.
///
/// The rate is an average in which an interval counts half after `halfLife` seconds, so it follows a change of pace
/// without jumping; at the start it is the plain average.
public struct ProgressEstimator: Sendable {
    /// Units of the whole work.
    public let total: Int
    /// Units done.
    public private(set) var done: Int
    private let halfLife: Double
    private var last: Double
    private var recentDone = 0.0
    private var recentSeconds = 0.0

    /// - Parameters:
    ///   - total: units of the whole work.
    ///   - done: what was done before `now` and says nothing about the rate (a resumed run).
    ///   - now: seconds on a clock that never goes back.
    ///   - halfLife: seconds, more than 0.
    public init(total: Int, done: Int = 0, at now: Double, halfLife: Double = 20) {
        precondition(halfLife > 0, "ProgressEstimator: half-life must be positive")
        self.total = total
        self.done = done
        self.halfLife = halfLife
        last = now
    }

    /// Notes that `done` of `total` are done at `now`. A clock or a count that goes back is taken to stand still.
    public mutating func update(done: Int, at now: Double) {
        let seconds = max(0, now - last)
        let weight = exp2(-seconds / halfLife)
        recentDone = recentDone * weight + Double(max(0, done - self.done))
        recentSeconds = recentSeconds * weight + seconds
        self.done = max(done, self.done)
        last = max(now, last)
    }

    /// 0 … 1.
    public var fraction: Double { total > 0 ? min(1, Double(done) / Double(total)) : 1 }

    /// Units per second; nil before anything was done.
    public var rate: Double? { recentDone > 0 && recentSeconds > 0 ? recentDone / recentSeconds : nil }

    /// Seconds left at the present rate; nil while there is no rate, 0 when all is done.
    public var secondsLeft: Double? {
        done >= total ? 0 : rate.map { Double(total - done) / $0 }
    }
}
