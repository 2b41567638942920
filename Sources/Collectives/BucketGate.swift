import CKernels

/// Which buckets are complete. One thread opens, another looks.
final class BucketGate: @unchecked Sendable {
    private let flags: UnsafeMutableBufferPointer<UInt64>

    /// All open.
    init(count: Int) {
        flags = .allocate(capacity: count)
        flags.initialize(repeating: 1)
    }

    deinit { flags.deallocate() }

    /// Before the other thread looks.
    func closeAll() { flags.update(repeating: 0) }

    func open(_ bucket: Int) {
        precondition(flags.indices.contains(bucket), "BucketGate: no bucket \(bucket)")
        neft_counter_store(flags.baseAddress! + bucket, 1)
    }

    func openAll() { flags.indices.forEach(open) }

    func isOpen(_ bucket: Int) -> Bool { neft_counter_load(flags.baseAddress! + bucket) != 0 }
}
