/// What a rank did when: spans of a few training steps, for a picture. Costs a comparison where nothing is recorded.
public final class Timeline: @unchecked Sendable {
    /// A piece of work that a rank did without a break.
    public struct Span: Sendable {
        /// What was done.
        public let name: StaticString
        /// Of the model; nil for what belongs to none.
        public let layer: Int?
        /// Nanoseconds of the system's monotonic clock.
        public let start: Int64
        /// Its end, on the same clock as `start`.
        public let end: Int64
    }

    /// Whether spans are noted.
    public var isRecording = false
    /// All spans noted so far, in the order of their ends.
    public private(set) var spans: [Span] = []

    /// An empty time line that does not record.
    public init() {}

    /// Now, or 0 where nothing is recorded; for `note`.
    @inline(__always)
    public var mark: Int64 { isRecording ? Self.now : 0 }

    /// A span from `start` until now.
    @inline(__always)
    public func note(_ name: StaticString, layer: Int? = nil, since start: Int64) {
        if isRecording, start > 0 { spans.append(Span(name: name, layer: layer, start: start, end: Self.now)) }
    }

    private static var now: Int64 {
        let (seconds, attoseconds) = (SuspendingClock.now - origin).components
        return seconds * 1_000_000_000 + attoseconds / 1_000_000_000 + 1
    }
    private static let origin = SuspendingClock.now
}
