import Checkpoints
import Foundation
import Glibc
import TestSupport
import Testing

@Suite struct SafetensorsTests {
    let folder: TemporaryFolder

    init() throws { folder = try TemporaryFolder() }

    func write(_ name: String = "a.safetensors", values: [Float] = [1, -2, 3.5, .nan, .infinity, -0.0]) throws -> String
    {
        var writer = SafetensorsWriter(metadata: ["b": "zwei \"x\"\n", "a": "eins"])
        writer.add("floats", floats: values, shape: [2, 3])
        writer.add("rows", integers: [0, 7, 1_000_000])
        writer.add("scores", doubles: [1e-7, .pi])
        try writer.write(to: folder.file(name))
        return folder.file(name)
    }

    @Test func readsWhatItWrote() throws {
        let file = try SafetensorsFile(path: try write())
        #expect(file.metadata == ["a": "eins", "b": "zwei \"x\"\n"])
        #expect(bits(try file.floats("floats", shape: [2, 3]).values) == bits([1, -2, 3.5, .nan, .infinity, -0.0]))
        #expect(try file.integers("rows") == [0, 7, 1_000_000])
        #expect(try file.doubles("scores") == [1e-7, .pi])
        #expect(try folder.names == ["a.safetensors"])
    }

    @Test func theSameContentGivesTheSameBytes() throws {
        let (a, b) = (try write("a"), try write("b"))
        #expect(try BaseHash.ofFile(a) == BaseHash.ofFile(b))
        #expect(try BaseHash.ofFile(a) != BaseHash.ofFile(write("c", values: [1, -2, 3.5, .nan, .infinity, 0])))
    }

    @Test func writingATensorLeavesTheFileAlone() throws {
        let path = try write()
        let before = try BaseHash.ofFile(path)
        let tensor = try SafetensorsFile(path: path).floats("floats")
        tensor.pointer[0] = 99
        #expect(try BaseHash.ofFile(path) == before)
        #expect(try SafetensorsFile(path: path).floats("floats").values[0] == 1)
    }

    @Test func narrowTypesAreWidened() throws {
        let header =
            #"{"h":{"dtype":"F16","shape":[3],"data_offsets":[0,6]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[6,10]},"i":{"dtype":"I64","shape":[1],"data_offsets":[10,18]}}"#
        var data = Data(withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) })
        data += Data(header.utf8)
        for half in [Float16(1.5), -0.0, 65_504] { data += withUnsafeBytes(of: half.bitPattern) { Data($0) } }
        for value in [Float(-3), 1e30] { data += withUnsafeBytes(of: UInt16(value.bitPattern >> 16)) { Data($0) } }
        data += Data(count: 8)
        try data.write(to: URL(fileURLWithPath: folder.file("n")))
        let file = try SafetensorsFile(path: folder.file("n"))
        #expect(try file.floats("h").values == [1.5, -0.0, 65_504])
        #expect(try file.floats("b").values == [-3, Float(bitPattern: (Float(1e30).bitPattern >> 16) << 16)])
        #expect { try file.floats("i") } throws: { "\($0)".contains("i: element type I64; expected F32, F16 or BF16") }
    }

    @Test func hostileHeadersAreRefused() throws {
        func message(_ header: String, dataBytes: Int = 64) throws -> String {
            var data = Data(withUnsafeBytes(of: UInt64(header.utf8.count).littleEndian) { Array($0) })
            data += Data(header.utf8) + Data(count: dataBytes)
            try data.write(to: URL(fileURLWithPath: folder.file("hostile")))
            do {
                let file = try SafetensorsFile(path: folder.file("hostile"))
                for name in file.entries.keys { _ = try file.floats(name) }
                return ""
            } catch { return "\(error)" }
        }
        let huge = #"{"x":{"dtype":"I64","shape":[4611686018427387904,4],"data_offsets":[0,8]}}"#
        #expect(try message(huge).contains("element type I64"))
        let overlapping =
            #"{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,16]},"b":{"dtype":"F32","shape":[4],"data_offsets":[8,24]}}"#
        #expect(try message(overlapping).contains("b: bytes that belong to another tensor"))
        #expect(mkfifo(folder.file("pipe"), 0o600) == 0)
        #expect { try SafetensorsFile(path: folder.file("pipe")) } throws: { "\($0)".contains("not a regular file") }
    }

    @Test func damagedFilesNeverCrash() throws {
        let whole = try Data(contentsOf: URL(fileURLWithPath: try write()))
        let path = folder.file("damaged")
        func attempt(_ data: Data) throws -> Bool {
            try data.write(to: URL(fileURLWithPath: path))
            do {
                let file = try SafetensorsFile(path: path)
                for name in file.entries.keys { _ = try file.floats(name) }
                return true
            } catch {
                #expect(error.description.hasPrefix(path))
                return false
            }
        }
        for count in 0..<whole.count { #expect(try !attempt(whole.prefix(count))) }
        var random = TestRandom(4)
        for _ in 0..<500 {
            var data = whole
            data[Int.random(in: 0..<300, using: &random)] = UInt8.random(in: 0...255, using: &random)
            _ = try attempt(data)
        }
    }

    @Test func wrongShapesAndMissingTensorsAreNamed() throws {
        let file = try SafetensorsFile(path: try write())
        #expect { try file.floats("floats", shape: [3, 2]) } throws: {
            "\($0)".contains("floats: shape [2, 3]; expected [3, 2]")
        }
        #expect { try file.floats("other", shape: [1]) } throws: { "\($0)".contains("other: no such tensor") }
    }

    @Test func aFailedWriteLeavesNothing() throws {
        let path = folder.file("kept")
        try "old".write(toFile: path, atomically: true, encoding: .utf8)
        #expect(throws: CheckpointError.self) {
            try AtomicFile.write(path) { writer throws(CheckpointError) in
                try writer.write([UInt8](repeating: 1, count: 3 << 20))
                throw CheckpointError(file: path, found: "trouble", expected: "none", hint: "-")
            }
        }
        #expect(try folder.names == ["kept"])
        #expect(try String(contentsOfFile: path, encoding: .utf8) == "old")
        #expect(throws: CheckpointError.self) { try AtomicFile.write("x", to: folder.file("no/such/folder")) }
    }

    @Test func aFullDiskIsReported() throws {
        // /dev/full cannot be renamed over, so the writer is pointed at it through a link in place of its own file.
        let path = folder.file("full")
        #expect(symlink("/dev/full", AtomicFile.aside(path)) == 0)
        #expect { try AtomicFile.write(String(repeating: "x", count: 1000), to: path) } throws: {
            "\($0)".contains("No space left on device")
        }
        #expect(!FileManager.default.fileExists(atPath: path))
    }
}

@Suite struct BaseHashTests {
    @Test func theCacheIsKeyedByTheFiles() throws {
        let folder = try TemporaryFolder()
        var writer = SafetensorsWriter()
        writer.add("w", floats: [1, 2], shape: [2])
        try writer.write(to: folder.file("m"))
        let tensors = [try SafetensorsFile(path: folder.file("m")).floats("w")]
        let cache = folder.file("cache")
        func hash(_ configuration: String, in cache: String) -> String {
            BaseHash.cached(in: cache, files: [folder.file("m")], configuration: configuration, tensors: tensors)
        }
        let plain = BaseHash.compute(configuration: "c", tensors: tensors)
        #expect(hash("c", in: cache) == plain)
        #expect(hash("d", in: cache) != plain)
        // From the cache: the tensors are not read again.
        tensors[0].pointer[0] = 5
        #expect(hash("c", in: cache) == plain)
        try writer.write(to: folder.file("m"))
        #expect(hash("c", in: cache) == BaseHash.compute(configuration: "c", tensors: tensors))
        #expect(hash("c", in: "/proc/none") == BaseHash.compute(configuration: "c", tensors: tensors))
    }

    @Test func knownDigest() {
        #expect(
            BaseHash.ofBytes(Array("abc".utf8)) == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    }
}
