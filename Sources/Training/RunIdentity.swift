/// What two parts of one run must have in common, by name: every option and file that changes its result.
public struct RunIdentity: Equatable, Sendable, Codable {
    /// Something that decides the result.
    public struct Fact: Equatable, Sendable, Codable {
        /// The option, or what else it is.
        public let name: String
        /// Its value, to be read behind the name.
        public let value: String

        /// A fact as it is.
        public init(_ name: String, _ value: String) {
            self.name = name
            self.value = value
        }
    }

    /// In the order in which differences are looked for.
    public var facts: [Fact]

    /// An identity of these facts.
    public init(_ facts: [Fact]) { self.facts = facts }

    /// Refuses to go on where one of these facts is another in `saved`. Facts that only `saved` has do not matter.
    /// - Parameters:
    ///   - saved: the checkpoint's.
    ///   - path: the checkpoint.
    public func require(in saved: RunIdentity, path: String) throws(TrainingError) {
        let known = Dictionary(saved.facts.map { ($0.name, $0.value) }, uniquingKeysWith: { first, _ in first })
        let others = facts.filter { known[$0.name] != $0.value }
        guard !others.isEmpty else { return }
        throw TrainingError(
            subject: path, found: "another run: " + Self.list(others),
            expected: Self.list(others.map { Fact($0.name, known[$0.name] ?? "not given") })
                + ", as the checkpoint was made with",
            hint: "give the same options and files, or start anew with another --output")
    }

    private static func list(_ facts: [Fact]) -> String {
        facts.map { "\($0.name) \($0.value)" }.joined(separator: ", ")
    }
}
