// Checks that need several ranks: `mpirun -np N parallel-checks NAME`. Exit code 0 if it holds on all ranks; else the
// rank that found the fault says so on standard error and ends the run with exit code 1.

import Collectives
import Glibc

let checks: [(name: String, run: (MPICommunicator) throws -> Void)] = [
    ("collectives", checkCollectives),
    ("exchange", checkExchange),
    ("large", checkLargeTransfer),
    ("huge", checkHugeTransfer),
    ("agreement", checkAgreement),
    ("reduce", checkReduce),
    ("share", checkShare),
    ("steps", checkSteps),
    ("abort", checkAbort),
    ("length-mismatch", checkLengthMismatch),
]

func complain(_ text: String) {
    let line = Array("neft: \(text)\n".utf8)
    write(STDERR_FILENO, line, line.count)
}

guard (2...3).contains(CommandLine.arguments.count),
    let check = checks.first(where: { $0.name == CommandLine.arguments[1] })
else {
    complain("usage: parallel-checks " + checks.map(\.name).joined(separator: "|") + " [RANKS-PER-HOST]")
    exit(2)
}
var chunking = MPICommunicator.Chunking()
// Small chunks exercise the cutting; the defaults are covered by the large transfer.
if check.name != "large" && check.name != "huge" {
    chunking.localBytes = 10_007
    chunking.collectiveBytes = 4_099
}
// A third argument: how many ranks of this host make one.
let ranksPerHost = CommandLine.arguments.dropFirst(2).first.flatMap { Int($0) }
let communicator = try MPICommunicator(chunking: chunking, ranksPerHost: ranksPerHost, onFailure: complain)
do {
    try check.run(communicator)
    communicator.barrier()
    if communicator.rank == 0 { print("\(check.name) holds on \(communicator.size) ranks") }
    communicator.finalize()
} catch {
    complain("rank \(communicator.rank) on \(communicator.hostName): \(error)")
    communicator.abort(code: 1)
}
