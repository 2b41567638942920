import Collectives
import Foundation
import Reporting

/// One line of the table of `bench exchange`.
struct ExchangeRow {
    static let modes: [(name: String, options: ExchangeOptions)] = [
        ("raw", ExchangeOptions(wire: .raw, codec: .none)), ("exact", ExchangeOptions(codec: .zstd)),
        ("auto", ExchangeOptions(codec: .auto)), ("allreduce", ExchangeOptions(mode: .allreduce, codec: .zstd)),
        ("bf16", ExchangeOptions(wire: .bf16, codec: .zstd)),
    ]

    private let name: String
    private let seconds: Double
    private let result: ExchangeReplay.Result?
    /// Bytes per step by the interface's counter.
    private let sent: Double?

    init(_ name: String, _ result: ExchangeReplay.Result, sent: Double?) {
        self.name = name
        self.result = result
        self.sent = sent
        seconds = result.seconds
    }

    /// The MPI library's own.
    init(allreduce seconds: Double, sent: Double?) {
        name = "MPI_Allreduce"
        self.seconds = seconds
        self.sent = sent
        result = nil
    }

    static let heading =
        "mode            sent MB  on wire MB   seconds   reduce    share   coding  waited reduce  share  hidden  choice"

    var line: String {
        func cell(_ value: Double?, _ format: String, _ width: Int) -> String {
            let text = value.map { String(format: format, $0) } ?? "-"
            return String(repeating: " ", count: max(0, width - text.count)) + text
        }
        return name.padding(toLength: 13, withPad: " ", startingAt: 0)
            + cell(result.map { $0.wireBytes / 1e6 }, "%.2f", 10) + cell(sent.map { $0 / 1e6 }, "%.2f", 12)
            + cell(seconds, "%.4f", 10) + cell(result?.reduceSeconds, "%.4f", 9) + cell(result?.shareSeconds, "%.4f", 9)
            + cell(result.map { $0.encodeSeconds + $0.decodeSeconds }, "%.4f", 9)
            + cell(result?.exposedReduceSeconds, "%.4f", 15) + cell(result?.exposedShareSeconds, "%.4f", 7)
            + cell(result?.hiddenShare.map { 100 * $0 }, "%.0f%%", 8) + "  " + choice
    }

    private var choice: String {
        guard let result, let gradients = result.gradientCodec, gradients.measured != nil else { return "" }
        func name(_ choice: CodecChoice?) -> String { choice?.isCoded == true ? "zstd" : "none" }
        return "gradients \(name(gradients)), weights \(name(result.weightCodec))"
    }

    var json: JSONValue {
        func number(_ value: Double?) -> JSONValue { value.map { .double($0) } ?? .null }
        var members: [JSONValue.Member] = [
            .init("mode", .string(name)), .init("seconds", .double(seconds)), .init("interfaceBytes", number(sent)),
        ]
        guard let result else { return .object(members) }
        members += [
            .init("wireBytes", .double(result.wireBytes)), .init("reduceWireBytes", .double(result.reduceWireBytes)),
            .init("rawBytes", .double(result.rawBytes)), .init("reduceSeconds", .double(result.reduceSeconds)),
            .init("shareSeconds", .double(result.shareSeconds)), .init("encodeSeconds", .double(result.encodeSeconds)),
            .init("decodeSeconds", .double(result.decodeSeconds)),
            .init("exposedReduceSeconds", number(result.exposedReduceSeconds)),
            .init("exposedShareSeconds", number(result.exposedShareSeconds)),
            .init("groupSize", .int(result.groupSize)),
            .init("gradientsCoded", result.gradientCodec?.isCoded.map { .bool($0) } ?? .null),
            .init("weightsCoded", result.weightCodec?.isCoded.map { .bool($0) } ?? .null),
        ]
        return .object(members)
    }
}

extension WireAnalysis {
    static let heading =
        "codec          ratio  bits/value  encode MB/s  decode MB/s  planes: coded bits of entropy bits"

    private func speed(_ seconds: Double) -> Double { seconds > 0 ? Double(plainBytes) / seconds / 1e6 : 0 }

    var line: String {
        let planes = planes.reversed().map { String(format: "%.2f of %.2f", $0.coded, $0.entropy) }
        return content.rawValue.padding(toLength: 13, withPad: " ", startingAt: 0)
            + String(
                format: "%7.2f%12.2f%13.0f%13.0f  ", ratio, codedBits, speed(encodeSeconds), speed(decodeSeconds))
            + planes.joined(separator: ", ")
    }

    var json: JSONValue {
        [
            "content": .string(content.rawValue), "ratio": .double(ratio), "bitsPerValue": .double(codedBits),
            "entropyBitsPerValue": .double(entropyBits), "encodeMBPerSecond": .double(speed(encodeSeconds)),
            "decodeMBPerSecond": .double(speed(decodeSeconds)),
            "planes": .array(planes.map { ["codedBits": .double($0.coded), "entropyBits": .double($0.entropy)] }),
        ]
    }
}

/// The bytes a network interface of this host sends while something runs.
struct InterfaceCounters {
    private let name: String
    private let before: Int

    /// nil without a name.
    init?(_ name: String?) {
        guard let name, let before = Self.sent(name) else { return nil }
        self.name = name
        self.before = before
    }

    /// Bytes per step since `init`.
    func sentPerStep(steps: Int) -> Double? { Self.sent(name).map { Double($0 - before) / Double(steps) } }

    /// Bytes sent since the interface exists; nil if there is none of this name.
    static func sent(_ name: String) -> Int? {
        // Files of /proc give no size: they are read to their end. This one knows the process's network namespace.
        guard let file = FileHandle(forReadingAtPath: "/proc/self/net/dev"), let data = try? file.readToEnd() else {
            return nil
        }
        for line in String(decoding: data, as: UTF8.self).split(separator: "\n") {
            let parts = line.split(separator: ":", maxSplits: 1)
            guard parts.count == 2, parts[0].trimmingCharacters(in: .whitespaces) == name else { continue }
            let fields = parts[1].split(separator: " ")
            return fields.count > 8 ? Int(fields[8]) : nil
        }
        return nil
    }
}
