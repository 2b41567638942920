import Checkpoints
import Foundation
import Kernels

/// A time line in the Trace Event Format that Perfetto and chrome://tracing open: a process per rank, microseconds.
public enum TraceFile {
    struct Event: Codable {
        struct Arguments: Codable {
            var layer: Int?
        }
        var name: String
        var ph = "X"
        /// Microseconds.
        var ts: Double
        var dur: Double
        /// The rank.
        var pid: Int
        var tid = 0
        var args: Arguments
    }

    private struct Document: Codable {
        var traceEvents: [Event]
        var displayTimeUnit = "ms"
    }

    /// A rank's spans as JSON, to be sent to rank 0. They begin at 0, so clocks of hosts need not agree.
    public static func encoded(_ spans: [Timeline.Span], rank: Int) -> [UInt8] {
        let first = spans.map(\.start).min() ?? 0
        let events = spans.map { span in
            Event(
                name: "\(span.name)", ts: Double(span.start - first) / 1e3, dur: Double(span.end - span.start) / 1e3,
                pid: rank, args: .init(layer: span.layer))
        }
        return (try? JSONEncoder().encode(events)).map { Array($0) } ?? []
    }

    /// Writes what `encoded` made of each rank.
    public static func write(_ ranks: [[UInt8]], to path: String) throws {
        let events = try ranks.flatMap { try JSONDecoder().decode([Event].self, from: Data($0)) }
        let encoder = JSONEncoder()
        encoder.outputFormatting = [.sortedKeys]
        try AtomicFile.write(
            String(decoding: try encoder.encode(Document(traceEvents: events)), as: UTF8.self), to: path)
    }

    /// - Throws: `ReportingError` for a file that `write` did not write.
    static func read(_ path: String) throws -> [Event] {
        guard let data = try? SmallFile.readJSON(path),
            let document = try? JSONDecoder().decode(Document.self, from: data)
        else {
            throw ReportingError(
                file: path, found: "no time line", expected: "what neft train --trace wrote",
                hint: "remove the file, or train again")
        }
        return document.traceEvents
    }
}
