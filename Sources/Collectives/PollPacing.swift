import Glibc

/// How long to rest between two looks at a transfer: Open MPI moves data only while it is called, and a rank that
/// calls it without pause takes the core from those that compute. Spins briefly, then sleeps 50 to 200 µs, or up to 1 ms
/// where nothing is on its way.
struct PollPacing {
    private static let spins = 200
    private static let longestSleep = 200_000
    private static let longestRest = 1_000_000

    private var idles = 0
    private var sleepNanoseconds = 50_000

    /// Something arrived: spin again before the next sleep.
    mutating func progressed() {
        idles = 0
        sleepNanoseconds = 50_000
    }

    /// Nothing arrived: a pause, none at first.
    /// - Parameter isResting: whether nothing is expected either.
    mutating func idle(isResting: Bool = false) {
        idles += 1
        guard idles > Self.spins else {
            // Costs nothing where the core is this rank's own.
            sched_yield()
            return
        }
        var time = timespec(tv_sec: 0, tv_nsec: sleepNanoseconds)
        nanosleep(&time, nil)
        sleepNanoseconds = min(sleepNanoseconds * 2, isResting ? Self.longestRest : Self.longestSleep)
    }
}
