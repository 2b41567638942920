import Foundation

/// The scalars of a run as TensorBoard reads them: one event file per part of the run, in a folder of their own.
///
/// An event file is a row of records (length, its checksum, data, its checksum), each an `Event` protocol buffer. Each
/// record is handed to the system as a whole, so a run that dies leaves every event before its death.
public final class TensorBoardLog {
    /// A named number of a step. It is stored as a 32-bit float.
    public struct Scalar: Sendable, Equatable {
        /// The name of its chart.
        public let tag: String
        /// Any number; TensorBoard shows those that are not finite as such.
        public let value: Double

        /// A number with its name.
        public init(_ tag: String, _ value: Double) {
            self.tag = tag
            self.value = value
        }
    }

    private let file: OutputFile

    /// Begins a new event file in `folder`, which is made if need be.
    /// - Parameters:
    ///   - folder: of the event files of one run.
    ///   - step: what earlier parts of the run have done; TensorBoard forgets what they say of later steps.
    /// - Throws: if the folder or the file cannot be made.
    public init(folder: String, afterStep step: Int) throws(ReportingError) {
        do {
            try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
        } catch {
            throw ReportingError(
                file: folder, found: "cannot be created: \(error.localizedDescription)",
                expected: "a folder for events",
                hint: "check the output folder")
        }
        file = try OutputFile(creating: "\(folder)/\(Self.newName(in: folder))")
        try write { $0.string(3, "brain.Event:2") }
        // The session's start: whatever came before at this step or later counts no more.
        try write(step: step + 1) { event in event.message(7) { $0.integer(1, 1) } }
    }

    /// Adds the numbers of a step.
    public func append(step: Int, _ scalars: [Scalar]) throws(ReportingError) {
        try write(step: step) { event in
            event.message(5) { summary in
                for scalar in scalars {
                    summary.message(1) { value in
                        value.string(1, scalar.tag)
                        value.float(2, Float(scalar.value))
                    }
                }
            }
        }
    }

    /// Brings the events so far to the disk.
    public func sync() throws(ReportingError) { try file.sync() }

    /// Brings the file to the disk. Nothing can be appended afterwards; closing twice is harmless.
    public func close() throws(ReportingError) { try file.close() }

    private func write(step: Int = 0, _ fill: (inout ProtocolBufferWriter) -> Void) throws(ReportingError) {
        var event = ProtocolBufferWriter()
        event.double(1, Date().timeIntervalSince1970)
        if step != 0 { event.integer(2, step) }
        fill(&event)
        try file.write(EventRecord.framed(event.bytes))
    }

    /// TensorBoard reads files by name, which begins with the second they were begun in: never that of an older one.
    private static func newName(in folder: String) -> String {
        let prefix = "events.out.tfevents."
        let old = ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? [])
            .filter { $0.hasPrefix(prefix) }
            .compactMap { Int($0.dropFirst(prefix.count).prefix { $0.isNumber }) }
        let second = max(Int(Date().timeIntervalSince1970), (old.max() ?? 0) + 1)
        let digits = String(second)
        let padding = String(repeating: "0", count: max(0, 10 - digits.count))
        return "\(prefix)\(padding)\(digits).\(ProcessInfo.processInfo.hostName).\(getpid())"
    }
}
