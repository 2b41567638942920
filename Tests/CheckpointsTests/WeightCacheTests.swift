import Checkpoints
import Foundation
import Kernels
import TestSupport
import Testing

@Suite struct WeightCacheTests {
    static let values: [Float] = [1, -2.5, 1.00390625, 3e-3, 0, 7, 8, 9]

    func read(_ name: String, _ shape: [Int]) throws(CheckpointError) -> FloatTensor {
        let storage = TensorStorage(count: shape.reduce(1, *))
        for i in 0..<storage.count { storage.pointer[i] = Self.values[i] * (name == "b" ? 2 : 1) }
        return FloatTensor(name: name, shape: shape, pointer: storage.pointer, owner: storage)
    }
    let tensors = [("a", [2, 4]), ("b", [4])]

    @Test func tensorsAreMadeOnce() throws {
        let temporary = try TemporaryFolder()
        let folder = temporary.path
        let source = folder + "/model"
        try "x".write(toFile: source, atomically: true, encoding: .utf8)
        let cache = WeightCache(folder: folder + "/cache", sources: [source])
        let made = try #require(try cache.tensors(.float32, salt: "s", tensors, read))
        #expect(try made.floats("a", shape: [2, 4]).values == Self.values)
        #expect(try made.floats("b").values == [2, -5, 2.0078125, 6e-3])
        func never(_ name: String, _ shape: [Int]) throws(CheckpointError) -> FloatTensor {
            Issue.record("made again")
            return try read(name, shape)
        }
        #expect(try cache.tensors(.float32, salt: "s", tensors, never)?.path == made.path)
        // Another type, another architecture, another source: another file.
        let half = try #require(try cache.tensors(.bfloat16, salt: "s", tensors, read))
        #expect(half.path != made.path)
        let words = try #require(try half.half("a", shape: [2, 4]))
        #expect((0..<3).map { words.pointer[$0] } == [0x3F80, 0xC020, 0x3F80])
        #expect(try made.half("a", shape: [2, 4]) == nil)
        #expect(try cache.tensors(.float32, salt: "t", tensors, read)?.path != made.path)
        try "longer".write(toFile: source, atomically: true, encoding: .utf8)
        #expect(try cache.tensors(.float32, salt: "s", tensors, read)?.path != made.path)
        #expect(
            try FileManager.default.contentsOfDirectory(atPath: folder + "/cache").allSatisfy {
                $0.hasSuffix(".safetensors")
            })
    }

    @Test func whatCannotBeWrittenIsNoError() throws {
        let temporary = try TemporaryFolder()
        let folder = temporary.path
        try "x".write(toFile: folder + "/file", atomically: true, encoding: .utf8)
        let inAFile = WeightCache(folder: folder + "/file/cache", sources: [folder + "/file"])
        #expect(try inAFile.tensors(.float32, salt: "", tensors, read) == nil)
        #expect(try WeightCache(folder: nil, sources: []).tensors(.float32, salt: "", tensors, read) == nil)
        let gone = WeightCache(folder: folder, sources: [folder + "/gone"])
        #expect(try gone.tensors(.float32, salt: "", tensors, read) == nil)
    }

    @Test func aBadSourceIsNamedAndLeavesNothing() throws {
        let temporary = try TemporaryFolder()
        let folder = temporary.path
        try "x".write(toFile: folder + "/model", atomically: true, encoding: .utf8)
        let cache = WeightCache(folder: folder + "/cache", sources: [folder + "/model"])
        let error = CheckpointError(file: "model", item: "b", found: "nothing", expected: "it", hint: "look")
        #expect(throws: error) {
            try cache.tensors(.float32, salt: "", tensors) { (name: String, shape: [Int]) throws(CheckpointError) in
                if name == "b" { throw error }
                return try read(name, shape)
            }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/cache").isEmpty)
    }

    /// Processes that start at once end with one file, whole.
    @Test func severalAtOnce() throws {
        let temporary = try TemporaryFolder()
        let folder = temporary.path
        try "x".write(toFile: folder + "/model", atomically: true, encoding: .utf8)
        let paths = (0..<8).map { _ in UnsafeMutablePointer<String>.allocate(capacity: 1) }
        for path in paths { path.initialize(to: "") }
        defer { for path in paths { path.deinitialize(count: 1).deallocate() } }
        nonisolated(unsafe) let results = paths
        DispatchQueue.concurrentPerform(iterations: 8) { i in
            let cache = WeightCache(folder: folder + "/cache", sources: [folder + "/model"])
            let file = try? cache.tensors(.float32, salt: "", tensors, read)
            if let file, (try? file.floats("a").values) == Self.values { results[i].pointee = file.path }
        }
        #expect(Set(paths.map(\.pointee)).count == 1)
        #expect(paths[0].pointee.hasSuffix("-f32.safetensors"))
    }
}
