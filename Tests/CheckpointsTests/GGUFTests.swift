import Checkpoints
import Foundation
import TestSupport
import Testing

@Suite struct GGUFTests {
    let blocks = FixturePath.committed("checkpoints/blocks.gguf")

    @Test(arguments: ["F32", "F16", "BF16", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q8_0", "Q4_K", "Q5_K", "Q6_K"])
    func dequantisesToTheSameBitsAsTheReference(type: String) throws {
        let expected = try SafetensorsFile(path: FixturePath.committed("checkpoints/blocks-expected.safetensors"))
        let tensor = try GGUFFile(path: blocks).floats(
            "\(type).weight", as: "w", shape: [6, type.hasSuffix("K") ? 512 : 64])
        #expect(bits(tensor.values) == bits(try expected.floats(type).values))
        #expect(tensor.name == "w")
    }

    @Test func rowsCanBeReordered() throws {
        let file = try GGUFFile(path: blocks)
        let plain = try file.floats("F32.weight", as: "w", shape: [6, 64]).values
        let turned = try file.floats("F32.weight", as: "w", shape: [6, 64], rowOf: { 5 - $0 }).values
        for row in 0..<6 {
            #expect(Array(turned[row * 64..<(row + 1) * 64]) == Array(plain[(5 - row) * 64..<(6 - row) * 64]))
        }
    }

    @Test func metadata() throws {
        let file = try GGUFFile(path: blocks)
        #expect(file.metadata["general.architecture"]?.text == "test")
        #expect(file.metadata["test.count"]?.integer == 6)
        #expect(file.metadata["test.names"]?.elements?.map(\.text) == ["one", "zwei", "três"])
        #expect(file.metadata["test.names"]?.integer == nil)
    }

    /// A part of a split model says which one it is; of one part only, or merged again, a model is whole.
    @Test func partsOfASplitModelAreRefused() throws {
        let folder = try TemporaryFolder()
        let path = folder.file("model-00002-of-00003.gguf")
        func write(_ values: [(key: String, value: UInt16)]) throws {
            var bytes = GGUFFile.magic
            func add(_ value: some FixedWidthInteger) {
                withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
            }
            add(UInt32(3))
            add(UInt64(0))
            add(UInt64(values.count))
            for (key, value) in values {
                add(UInt64(key.utf8.count))
                bytes.append(contentsOf: key.utf8)
                add(UInt32(2))
                add(value)
            }
            bytes += Array(repeating: 0, count: 64)
            try Data(bytes).write(to: URL(fileURLWithPath: path))
        }
        func message() -> String {
            do {
                _ = try GGUFFile(path: path)
                return ""
            } catch { return "\(error)" }
        }
        try write([("split.no", 1), ("split.count", 3)])
        #expect(
            message() == "\(path): split.count: part 2 of 3 of a model; expected a model in one file; "
                + "merge the parts with: llama-gguf-split --merge FIRST OUT.gguf (FIRST is the name of part 1)")
        try write([("split.count", 3)])
        #expect(message().contains("split.count: one of 3 parts of a model"))
        for count in [0, 1] as [UInt16] {
            try write([("split.no", 0), ("split.count", count)])
            #expect(message() == "")
        }
    }

    @Test func refusesWhatItCannotRead() throws {
        let file = try GGUFFile(path: blocks)
        func message(_ name: String, _ shape: [Int]) -> String {
            do {
                _ = try file.floats(name, as: "w", shape: shape)
                return ""
            } catch { return "\(error)" }
        }
        #expect(message("Q2_K.weight", [1, 256]).contains("element type Q2_K; expected F32, F16, Q4_0"))
        #expect(message("F32.weight", [64, 6]).contains("F32.weight: shape [6, 64]; expected [64, 6]"))
        #expect(message("missing", [1]).contains("missing: no such tensor"))
    }

    /// Every truncation and many damaged bytes: an error or a result, never a crash.
    @Test func damagedFilesNeverCrash() throws {
        let whole = try Data(contentsOf: URL(fileURLWithPath: blocks))
        let folder = try TemporaryFolder()
        let path = folder.file("damaged.gguf")
        var refused = 0
        func attempt(_ data: Data) throws {
            try data.write(to: URL(fileURLWithPath: path))
            do {
                let file = try GGUFFile(path: path)
                for (name, entry) in file.entries { _ = try file.floats(name, as: name, shape: entry.shape) }
            } catch {
                #expect(error.description.hasPrefix(path))
                refused += 1
            }
        }
        for count in stride(from: 0, to: whole.count, by: 61) { try attempt(whole.prefix(count)) }
        #expect(refused == (whole.count + 60) / 61)
        var random = TestRandom(3)
        for _ in 0..<400 {
            var data = whole
            for _ in 0..<3 { data[Int.random(in: 0..<800, using: &random)] = UInt8.random(in: 0...255, using: &random) }
            try attempt(data)
        }
    }

    @Test func otherFilesAreNamed() throws {
        let folder = try TemporaryFolder()
        try "<!doctype html>".write(toFile: folder.file("model.gguf"), atomically: true, encoding: .utf8)
        #expect(throws: CheckpointError.self) { try ModelFiles.open(folder.file("model.gguf")) }
        #expect(throws: CheckpointError.self) { try ModelFiles.open(folder.path) }
        #expect(throws: CheckpointError.self) { try ModelFiles.open(folder.file("absent")) }
        do { _ = try ModelFiles.open(folder.file("model.gguf")) } catch {
            #expect(error.description.contains("expected a GGUF file"))
        }
        do { _ = try ModelFiles.open(folder.path) } catch { #expect(error.description.contains("config.json")) }
    }
}
