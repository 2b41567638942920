import Foundation

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

    /// Goes on with the log of a run that is taken up again after step `step`. What it says of later steps, and a line
    /// that was not finished, are taken out, all at once; where there is no log, one is begun.
    public init(continuing path: String, afterStep step: Int) throws(ReportingError) {
        var kept = ""
        for line in String(decoding: FileManager.default.contents(atPath: path) ?? Data(), as: UTF8.self)
            .split(separator: "\n", omittingEmptySubsequences: false)
        {
            let object = try? JSONSerialization.jsonObject(with: Data(line.utf8)) as? [String: Any]
            guard let known = object?["step"] as? Int, known <= step else { break }
            kept += line + "\n"
        }
        try OutputFile.replace(path, with: kept)
        file = try OutputFile(appending: path)
    }

    /// Appends one line.
    public func append(_ members: [JSONValue.Member]) throws(ReportingError) {
        try file.write(JSONValue.object(members).text + "\n")
    }

    /// Brings the lines so far to the disk.
    public func sync() throws(ReportingError) { try file.sync() }

    /// Brings the log to the disk. Nothing can be appended afterwards; closing twice is harmless.
    public func close() throws(ReportingError) {
        try file.close()
    }
}
