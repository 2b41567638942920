/// `metrics.jsonl`: one JSON object per line, one line per event of a run, keys in the order they were given.
///
/// Each line is handed to the system as a whole when it is appended, so a run that dies leaves every line before its
/// death; `close` brings the file to the disk.
public final class MetricsLog {
    private let file: OutputFile

    /// Creates the log; throws if the file exists, so that no run overwrites another's.
    public init(path: String) throws(ReportingError) {
        file = try OutputFile(creating: path)
    }

    /// Appends one line.
    public func append(_ members: [JSONValue.Member]) throws(ReportingError) {
        try file.write(JSONValue.object(members).text + "\n")
    }

    /// Brings the log to the disk. Nothing can be appended afterwards; closing twice is harmless.
    public func close() throws(ReportingError) {
        try file.close()
    }
}
