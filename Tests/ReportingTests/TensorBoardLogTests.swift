import Foundation
import TestSupport
import Testing

@testable import Reporting

struct TensorBoardLogTests {
    /// RFC 3720, B.4, and the usual check value.
    @Test func checksumsOfKnownData() {
        let ascending = (0..<32).map { UInt8($0) }
        #expect(EventRecord.checksum([]) == 0)
        #expect(EventRecord.checksum(Array("123456789".utf8)) == 0xE306_9283)
        #expect(EventRecord.checksum([UInt8](repeating: 0, count: 32)) == 0x8A91_36AA)
        #expect(EventRecord.checksum([UInt8](repeating: 0xFF, count: 32)) == 0x62A8_AB43)
        #expect(EventRecord.checksum(ascending) == 0x46DD_794E)
        #expect(EventRecord.checksum(ascending.reversed()) == 0x113F_DB5C)
    }

    /// Bytes of the frame by hand: 5 as 64 bits, masked checksums, all little-endian.
    @Test func framesARecord() {
        let data = Array("event".utf8)
        let framed = EventRecord.framed(data)
        #expect(framed.count == 8 + 4 + 5 + 4)
        #expect(Array(framed[0..<8]) == [5, 0, 0, 0, 0, 0, 0, 0])
        #expect(Array(framed[12..<17]) == data)
        func word(_ start: Int) -> UInt32 { (0..<4).reduce(0) { $0 | UInt32(framed[start + $1]) << (8 * UInt32($1)) } }
        for (place, part) in [(8, Array(framed[0..<8])), (17, data)] {
            // The mask undone: subtract, then turn to the left by 15.
            let turned = word(place) &- 0xA282_EAD8
            #expect((turned << 15 | turned >> 17) == EventRecord.checksum(part))
        }
    }

    @Test func fieldsAreEncodedAsProtocolBuffers() {
        var writer = ProtocolBufferWriter()
        writer.integer(2, 300)
        writer.double(1, 1)
        writer.float(2, -2)
        writer.string(1, "é")
        writer.message(5) { $0.integer(1, 0) }
        #expect(
            writer.bytes == [
                0x10, 0xAC, 0x02, 0x09, 0, 0, 0, 0, 0, 0, 0xF0, 0x3F, 0x15, 0, 0, 0, 0xC0, 0x0A, 2, 0xC3, 0xA9, 0x2A, 2,
                0x08, 0,
            ])
    }

    /// A later file comes after the earlier ones in the order of names, however quickly it is begun.
    @Test func filesComeInOrder() throws {
        let folder = try TemporaryFolder()
        try "".write(toFile: folder.file("events.out.tfevents.4000000000.host.1"), atomically: true, encoding: .utf8)
        for step in [0, 3] {
            let log = try TensorBoardLog(folder: folder.path, afterStep: step)
            try log.append(step: step + 1, [.init("loss", 1)])
            try log.sync()
            try log.close()
            try log.close()
        }
        let names = try folder.names
        #expect(names.map { String($0.prefix(30)) } == (0..<3).map { "events.out.tfevents.400000000\($0)" })
        #expect(
            Set(try names.dropFirst().map { try Data(contentsOf: URL(fileURLWithPath: folder.file($0))).count > 100 })
                == [true])
    }

    @Test func refusesWhatIsNoFolder() throws {
        let folder = try TemporaryFolder()
        try "".write(toFile: folder.file("tensorboard"), atomically: true, encoding: .utf8)
        let error = #expect(throws: ReportingError.self) {
            try TensorBoardLog(folder: folder.file("tensorboard"), afterStep: 0)
        }
        #expect(error?.file.hasSuffix("/tensorboard") == true && error?.found.hasPrefix("cannot be created") == true)
    }
}
