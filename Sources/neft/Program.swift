import ArgumentParser
import Foundation
import Kernels

/// Where the process begins and ends.
@main
enum Program {
    static func main() {
        let session: Session
        do {
            session = try Session(environment: ProcessInfo.processInfo.environment)
        } catch {
            Console.error("\(error)")
            exit(Failure(error).exitCode)
        }
        do {
            try run(Array(CommandLine.arguments.dropFirst()), in: session)
        } catch {
            session.end(with: error)
        }
        session.end(code: 0)
    }

    private static func run(_ arguments: [String], in session: Session) throws {
        // nil: help or the version was asked for and is printed.
        let command = try session.agree { () throws -> (any SessionCommand)? in
            do {
                var command = try CommandLineParser.parse(arguments)
                if let command = command as? any SessionCommand { return command }
                // swift-argument-parser's own, or a command without a subcommand: throws its help text.
                try command.run()
                return nil
            } catch let error as CommandError {
                throw error
            } catch  where Neft.exitCode(for: error).isSuccess {
                session.console.result(Neft.fullMessage(for: error))
                return nil
            } catch {
                throw UsageError(failure: Failure(usage: error))
            }
        }
        guard let command else { return }
        session.console.isQuiet = command.common.quiet
        session.watchRanks(timeout: command.common.heartbeatTimeout)
        try command.run(in: session)
    }
}
