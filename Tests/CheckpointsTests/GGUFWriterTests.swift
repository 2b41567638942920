import Foundation
import Kernels
import TestSupport
import Testing

@testable import Checkpoints

@Suite struct GGUFWriterTests {
    private let written = FixturePath.committed("checkpoints/written.gguf")

    /// Ties, zeros, subnormal and large numbers among them.
    @Test(arguments: [GGUFElement.f16, .bf16, .q8_0])
    func quantisesToTheSameBytesAsTheReference(type: GGUFElement) throws {
        let file = try GGUFFile(path: written)
        let values = try file.floats("values", as: "values", shape: [40, 64])
        let expected = try #require(file.bytes(type.name, type: type, shape: [40, 64]))
        let found = TensorStorage(count: 40 * 64)
        #expect(type.quantise(values.pointer, found.pointer, count: 40 * 64) == nil)
        withExtendedLifetime(file) {
            #expect(UnsafeRawBufferPointer(start: found.pointer, count: expected.count).elementsEqual(expected))
        }
    }

    @Test func bytesOfAnotherTypeOrShapeAreNone() throws {
        let file = try GGUFFile(path: written)
        #expect(file.bytes("F16", type: .f32, shape: [40, 64]) == nil)
        #expect(file.bytes("F16", type: .f16, shape: [64, 40]) == nil)
        #expect(file.bytes("absent", type: .f16, shape: [40, 64]) == nil)
        #expect(file.bytes("F16", type: .f16, shape: [40, 64])?.count == 40 * 64 * 2)
    }

    private let values: [(String, GGUFWriter.Value)] = [
        ("a.number", .uint32(7)), ("a.float", .float32(0.5)), ("a.flag", .bool(true)), ("a.text", .string("três")),
        ("a.texts", .strings(["one", "", "zwei"])), ("a.integers", .integers([-1, 3])), ("a.floats", .floats([1.5])),
        ("a.nothing", .strings([])),
    ]

    @Test func whatIsWrittenReadsBack() throws {
        let folder = try TemporaryFolder()
        let weights = randomFloats(6 * 64, seed: 1)
        var writer = GGUFWriter()
        for (key, value) in values { writer.set(key, value) }
        writer.set("a.number", .uint32(8))
        // Backwards, and of a size that needs padding.
        writer.add("w", shape: [6, 64], type: .f32) { row, out in
            for i in 0..<64 { out[i] = weights[(5 - row) * 64 + i] }
        }
        writer.add("odd", shape: [3, 5], type: .f16) { row, out in for i in 0..<5 { out[i] = Float(row * 5 + i) } }
        writer.add("v", shape: [3], type: .f32) { _, out in for i in 0..<3 { out[i] = Float(i) } }
        try writer.write(to: folder.file("a.gguf"))
        let file = try GGUFFile(path: folder.file("a.gguf"))
        #expect(file.metadata["a.number"]?.integer == 8)
        #expect(file.metadata["a.float"]?.number == 0.5)
        #expect(file.metadata["a.flag"]?.flag == true)
        #expect(file.metadata["a.text"]?.text == "três")
        #expect(file.metadata["a.texts"]?.elements?.map(\.text) == ["one", "", "zwei"])
        #expect(file.metadata["a.integers"]?.elements?.map(\.integer) == [-1, 3])
        #expect(file.metadata["a.floats"]?.elements?.map(\.number) == [1.5])
        #expect(file.metadata["a.nothing"]?.elements?.isEmpty == true)
        #expect(file.metadataBytes.map(\.key) == values.map(\.0))
        let turned = try file.floats("w", as: "w", shape: [6, 64], rowOf: { 5 - $0 })
        #expect(bits(turned.values) == bits(weights))
        #expect(try file.floats("odd", as: "odd", shape: [3, 5]).values == (0..<15).map { Float($0) })
        #expect(try file.floats("v", as: "v", shape: [3]).values == [0, 1, 2])
        #expect(try folder.names == ["a.gguf"])
    }

    /// Every key with its type, in order; and a tensor's bytes.
    @Test func aFileIsCopied() throws {
        let folder = try TemporaryFolder()
        let blocks = try GGUFFile(path: FixturePath.committed("checkpoints/blocks.gguf"))
        var writer = GGUFWriter()
        writer.copyMetadata(of: blocks)
        let bytes = try #require(blocks.bytes("Q8_0.weight", type: .q8_0, shape: [6, 64]))
        writer.add("copy", shape: [6, 64], type: .q8_0, bytes: bytes)
        try writer.write(to: folder.file("copy.gguf"))
        let copy = try GGUFFile(path: folder.file("copy.gguf"))
        #expect(copy.metadataBytes.map(\.key) == blocks.metadataBytes.map(\.key))
        for (mine, theirs) in zip(copy.metadataBytes, blocks.metadataBytes) {
            #expect(mine.bytes.elementsEqual(theirs.bytes), "\(mine.key)")
        }
        let again = try #require(copy.bytes("copy", type: .q8_0, shape: [6, 64]))
        #expect(again.elementsEqual(bytes))
        withExtendedLifetime((copy, blocks)) {}
    }

    @Test(arguments: [(GGUFElement.f16, Float(65520)), (.q8_0, 9e6), (.q8_0, .infinity)])
    func valuesThatDoNotFitAreRefused(type: GGUFElement, value: Float) throws {
        let folder = try TemporaryFolder()
        var writer = GGUFWriter()
        writer.add("w", shape: [2, 32], type: type) { row, out in
            out.update(repeating: row == 1 ? value : 1, count: 32)
        }
        do {
            try writer.write(to: folder.file("a.gguf"))
            Issue.record("written")
        } catch {
            #expect(error.description.contains("a.gguf: w: the value \(value), which \(type.name) has no number for"))
        }
        #expect(try folder.names.isEmpty)
    }

    @Test(arguments: ElementType.weights)
    func safetensorsRowsInEveryType(type: ElementType) throws {
        let folder = try TemporaryFolder()
        let values = randomFloats(12, seed: 4)
        var writer = SafetensorsWriter()
        writer.add("w", shape: [3, 4], as: type) { row, out in for i in 0..<4 { out[i] = values[row * 4 + i] } }
        #expect(writer.byteCount == 12 * type.byteCount)
        try writer.write(to: folder.file("a.safetensors"))
        let file = try SafetensorsFile(path: folder.file("a.safetensors"))
        #expect(file.entries["w"]?.type == type.rawValue)
        let expected = values.map { value -> Float in
            switch type {
            case .float16: return Float(Float16(value))
            case .bfloat16:
                let bits = value.bitPattern
                return Float(bitPattern: (bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF_0000)
            default: return value
            }
        }
        #expect(bits(try file.floats("w", shape: [3, 4]).values) == bits(expected))
    }
}

@Suite struct AtomicFolderTests {
    private struct Stop: Error {}

    @Test func appearsWhole() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("a/b/c")
        let result = try AtomicFolder.write(path) { aside in
            #expect(!FileManager.default.fileExists(atPath: path))
            try AtomicFile.write("x", to: aside + "/x")
            return 3
        }
        #expect(result == 3)
        #expect(try String(contentsOfFile: path + "/x", encoding: .utf8) == "x")
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("a/b")) == ["c"])
    }

    @Test func failureLeavesNothing() throws {
        let folder = try TemporaryFolder()
        #expect(throws: Stop.self) {
            try AtomicFolder.write(folder.file("a/b")) { aside in
                try AtomicFile.write("x", to: aside + "/x")
                throw Stop()
            }
        }
        #expect(try folder.names.isEmpty)
    }

    /// What a killed process left goes; what others write at this moment stays.
    @Test func abandonedFoldersGo() throws {
        let folder = try TemporaryFolder()
        let gone = Process()
        gone.executableURL = URL(fileURLWithPath: "/bin/true")
        try gone.run()
        gone.waitUntilExit()
        let names = [
            "a.writing-\(gone.processIdentifier)", "a.writing-1", "a.writing-x", "ab.writing-\(gone.processIdentifier)",
        ]
        for name in names {
            try FileManager.default.createDirectory(atPath: folder.file(name), withIntermediateDirectories: false)
        }
        try AtomicFolder.write(folder.file("a")) { try AtomicFile.write("x", to: $0 + "/x") }
        #expect(try folder.names == ["a"] + names[1...])
    }

    /// As in Hugging Face's cache, where a model's files are links.
    @Test func copiesAreOfWhatLinksLeadTo() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder.file("blobs"), withIntermediateDirectories: false)
        try FileManager.default.createDirectory(atPath: folder.file("snapshot"), withIntermediateDirectories: false)
        try "{}".write(toFile: folder.file("blobs/1"), atomically: true, encoding: .utf8)
        try FileManager.default.createSymbolicLink(
            atPath: folder.file("snapshot/a.json"), withDestinationPath: "../blobs/1")
        try AtomicFolder.copy(folder.file("snapshot/a.json"), to: folder.file("b.json"))
        let kind = try FileManager.default.attributesOfItem(atPath: folder.file("b.json"))[.type] as? FileAttributeType
        #expect(kind == .typeRegular)
        #expect(try folder.text("b.json") == "{}")
        #expect(throws: CheckpointError.self) { try AtomicFolder.copy(folder.file("none"), to: folder.file("c")) }
        #expect(try folder.names == ["b.json", "blobs", "snapshot"])
    }

    @Test func anEmptyFolderIsReplacedAndAFullOneStays() throws {
        let folder = try TemporaryFolder()
        try FileManager.default.createDirectory(atPath: folder.file("a"), withIntermediateDirectories: false)
        try AtomicFolder.write(folder.file("a")) { try AtomicFile.write("x", to: $0 + "/x") }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("a")) == ["x"])
        #expect(throws: CheckpointError.self) {
            try AtomicFolder.write(folder.file("a")) { try AtomicFile.write("y", to: $0 + "/y") }
        }
        #expect(try FileManager.default.contentsOfDirectory(atPath: folder.file("a")) == ["x"])
        #expect(try folder.names == ["a"])
    }
}
