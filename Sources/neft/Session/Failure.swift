import ArgumentParser
import Checkpoints
import Collectives
import Datasets
import Evaluation
import Neurons
import Reporting
import Tokenization
import Training

/// An error as the user sees it: a message and an exit code.
struct Failure: Equatable {
    /// Bad input or usage.
    static let badInput: Int32 = 2
    /// A fault of the program or the machine.
    static let fault: Int32 = 1
    /// The run was asked to stop, and can go on (EX_TEMPFAIL).
    static let stopped: Int32 = 75
    /// A rank was not heard of any more (EX_SOFTWARE).
    static let silentRank: Int32 = 70

    let text: String
    let exitCode: Int32

    init(text: String, exitCode: Int32) {
        self.text = text
        self.exitCode = exitCode
    }

    init(_ error: any Error) {
        switch error {
        case let agreed as AgreedFailure: self = agreed.failure
        case let usage as UsageError: self = usage.failure
        case let error as TrainingError:
            self.init(text: "\(error)", exitCode: error.isFault ? Self.fault : Self.badInput)
        case is CommandError, is CheckpointError, is TokenizationError, is DatasetError, is NeuronError,
            is CollectiveError,
            is EvaluationError, is ReportingError:
            self.init(text: "\(error)", exitCode: Self.badInput)
        default: self.init(text: "\(error)", exitCode: Self.fault)
        }
    }

    /// A run that was asked to stop.
    init(_ stop: StopRequest, then text: String) {
        let name = StopSignals.name(stop.signal)
        self.init(text: "stopped by \(name) to rank \(stop.rank) \(text)", exitCode: Self.stopped)
    }

    /// swift-argument-parser's complaint about the command line.
    init(usage error: any Error) {
        let text = Neft.fullMessage(for: error)
        self.init(
            text: text.hasPrefix("Error: ") ? String(text.dropFirst(7)) : text, exitCode: Self.badInput)
    }

    /// For a message between ranks; never empty.
    var encoded: String { "\(exitCode)\0\(text)" }

    init?(encoded: some StringProtocol) {
        let parts = encoded.split(separator: "\0", maxSplits: 1, omittingEmptySubsequences: false)
        guard parts.count == 2, let code = Int32(parts[0]) else { return nil }
        self.init(text: String(parts[1]), exitCode: code)
    }
}

/// The command line itself is wrong.
struct UsageError: Error {
    let failure: Failure
}
