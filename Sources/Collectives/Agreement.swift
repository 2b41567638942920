extension Communicator {
    /// Every rank's host and value, in rank order, if the ranks do not all have the same value; `nil` if they have.
    /// The same on every rank.
    public func disagreement(on value: String) -> [(rank: Int, host: String, value: String)]? {
        // Host names hold no NUL.
        let all = allGather(Array("\(hostName)\0\(value)".utf8)).enumerated().map { rank, bytes in
            let end = bytes.firstIndex(of: 0) ?? bytes.endIndex
            return (
                rank: rank, host: String(decoding: bytes[..<end], as: UTF8.self),
                value: String(decoding: bytes[end...].dropFirst(), as: UTF8.self)
            )
        }
        return all.allSatisfy { $0.value == all[0].value } ? nil : all
    }

    /// Checks that all ranks have the same value of something, such as the hash of a file. Every rank throws the same
    /// error if they have not: it names the ranks whose value differs from the most common one (of equally common ones
    /// the lowest rank's).
    /// - Parameters:
    ///   - subject: what it is the value of, as the reader knows it.
    ///   - value: this rank's.
    public func requireAgreement(on subject: String, value: String) throws(CollectiveError) {
        guard let all = disagreement(on: value) else { return }
        var votes: [String: Int] = [:]
        for entry in all { votes[entry.value, default: 0] += 1 }
        let most = votes.values.max()!
        let common = all.first { votes[$0.value] == most }!
        let others = all.filter { $0.value != common.value }
        let named = others.prefix(4).map { "rank \($0.rank) on \($0.host) has \($0.value)" }.joined(separator: ", ")
        throw CollectiveError(
            subject: subject,
            found: named + (others.count > 4 ? " and \(others.count - 4) more differ" : ""),
            expected: "\(common.value) as on rank \(common.rank) on \(common.host)",
            hint: "every rank must be given the same")
    }
}
