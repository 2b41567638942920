import Models

extension TrainableRows {
    /// A number that differs for other rows. Not cryptographic: it finds accidents, not forgeries.
    var identity: UInt64 {
        var hash: UInt64 = 14_695_981_039_346_656_037
        func add(_ value: Int) {
            hash = (hash ^ UInt64(truncatingIfNeeded: value)) &* 1_099_511_628_211
            hash ^= hash >> 29
        }
        for entry in entries {
            add(entry.parameter)
            add(entry.rows?.count ?? -1)
            for row in entry.rows ?? [] { add(Int(row)) }
        }
        return hash
    }
}
