import Foundation

/// One thread that communicates while others compute. Does one job at a time.
final class CommunicationThread {
    private final class State: @unchecked Sendable {
        private let condition = NSCondition()
        private var job: (@Sendable () -> Void)?
        private var isBusy = false
        private var isEnding = false

        func loop() {
            while let job = next() {
                job()
                change { isBusy = false }
            }
        }

        private func next() -> (@Sendable () -> Void)? {
            condition.withLock {
                while job == nil && !isEnding { condition.wait() }
                defer { job = nil }
                return job
            }
        }

        private func change(_ body: () -> Void) {
            condition.withLock {
                body()
                condition.broadcast()
            }
        }

        func start(_ job: @escaping @Sendable () -> Void) {
            change {
                precondition(!isBusy, "CommunicationThread: a job is under way")
                isBusy = true
                self.job = job
            }
        }

        func wait() { condition.withLock { while isBusy { condition.wait() } } }

        func end() { change { isEnding = true } }
    }

    private let state = State()

    init() {
        let thread = Thread { [state] in state.loop() }
        thread.name = "neft-exchange"
        thread.start()
    }

    deinit { state.end() }

    /// Starts a job; the last one must have ended.
    func start(_ job: @escaping @Sendable () -> Void) { state.start(job) }

    /// Returns when the job has ended. What it wrote is then seen by the caller.
    func wait() { state.wait() }
}
