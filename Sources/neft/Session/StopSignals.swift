import CKernels
import Foundation

/// The signals that ask a run to stop after its step and save what it has.
enum StopSignals {
    /// From now on they do not end the process.
    /// - Parameter hasLauncher: whether `mpirun` or `srun` started it: they, not the ranks, are then interrupted.
    static func watch(hasLauncher: Bool) {
        neft_stop_signal_watch(SIGTERM, 0)
        neft_stop_signal_watch(SIGUSR1, 0)
        // Whoever presses Ctrl-C again wants an end at once.
        if !hasLauncher { neft_stop_signal_watch(SIGINT, 1) }
    }

    /// The one that came; 0 if none has.
    static var received: Int32 { neft_stop_signal_received() }

    static func name(_ signal: Int32) -> String {
        switch signal {
        case SIGTERM: "SIGTERM"
        case SIGUSR1: "SIGUSR1"
        case SIGINT: "SIGINT"
        default: "signal \(signal)"
        }
    }
}
