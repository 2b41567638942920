/// Which two neighbouring tokens become which one, and how early.
struct MergeTable: Sendable {
    struct Merge: Sendable {
        /// Lower goes first. `none` where two tokens do not merge.
        let rank: UInt32
        let result: Int32
        static let none = Merge(rank: .max, result: -1)
    }

    /// Open-addressing hash table: `left << 32 | right`, or all ones.
    private var keys: [UInt64]
    private var merges: [Merge]

    private static let empty = UInt64.max

    struct Rule {
        let left: Int32
        let right: Int32
        let result: Int32
        /// Lower goes first; of equal ones, the leftmost in the text.
        let rank: UInt32
    }

    /// - Parameter rules: a pair that comes twice keeps its first rank.
    init(_ rules: [Rule]) {
        var capacity = 16
        while capacity < 2 * rules.count { capacity *= 2 }
        keys = Array(repeating: Self.empty, count: capacity)
        merges = Array(repeating: .none, count: capacity)
        for rule in rules {
            let key = Self.key(rule.left, rule.right)
            var slot = Self.slot(key, keys.count)
            while keys[slot] != Self.empty, keys[slot] != key { slot = (slot + 1) & (keys.count - 1) }
            if keys[slot] == key { continue }
            keys[slot] = key
            merges[slot] = Merge(rank: rule.rank, result: rule.result)
        }
    }

    @inline(__always)
    func merge(_ left: Int32, _ right: Int32) -> Merge {
        let key = Self.key(left, right)
        var slot = Self.slot(key, keys.count)
        while true {
            if keys[slot] == key { return merges[slot] }
            if keys[slot] == Self.empty { return .none }
            slot = (slot + 1) & (keys.count - 1)
        }
    }

    @inline(__always)
    private static func key(_ left: Int32, _ right: Int32) -> UInt64 {
        UInt64(UInt32(bitPattern: left)) << 32 | UInt64(UInt32(bitPattern: right))
    }

    @inline(__always)
    private static func slot(_ key: UInt64, _ capacity: Int) -> Int {
        let mixed = key &* 0x9E37_79B9_7F4A_7C15
        return Int(truncatingIfNeeded: mixed >> 32) & (capacity - 1)
    }
}
