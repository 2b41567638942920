import Foundation
import Kernels
import Models
import Reporting

/// One line of the table of `bench kernels`.
struct KernelRow {
    private let product: StepProducts.Entry
    private let rounds: [ProductBenchmark.Round]

    init(_ product: StepProducts.Entry, _ rounds: [ProductBenchmark.Round]) {
        self.product = product
        self.rounds = rounds
    }

    static let heading =
        "product  weights              m      n      k  a step      bf16      fp32  OpenBLAS  bf16 ratio  fp32 ratio"

    private static func median(_ values: [Double]) -> Double { values.sorted()[values.count / 2] }
    private func median(_ value: (ProductBenchmark.Round) -> Double?) -> Double? {
        let values = rounds.compactMap(value)
        return values.isEmpty ? nil : Self.median(values)
    }

    private var kind: String {
        switch product.shape.kind {
        case .nt: "x Wᵀ"
        case .nn: "dy W"
        case .tn: "dyᵀ x"
        }
    }

    /// Seconds of a step's products of this shape.
    private func seconds(_ speed: Double?) -> Double? {
        let s = product.shape
        return speed.map { Double(product.count) * 2 * Double(s.m) * Double(s.n) * Double(s.k) / $0 }
    }

    var line: String {
        func text(_ value: String, _ width: Int) -> String {
            String(repeating: " ", count: max(0, width - value.count)) + value
        }
        func speed(_ value: Double?) -> String { text(value.map { String(format: "%.0f", $0 / 1e9) } ?? "-", 10) }
        func ratio(_ value: Double?) -> String { text(value.map { String(format: "%.2f", $0) } ?? "-", 12) }
        let s = product.shape
        return kind.padding(toLength: 9, withPad: " ", startingAt: 0)
            + product.name.padding(toLength: 16, withPad: " ", startingAt: 0)
            + [s.m, s.n, s.k].map { text("\($0)", 7) }.joined() + text("\(product.count)", 8)
            + speed(median(\.bfloat16)) + speed(median(\.single)) + speed(median(\.openBLAS))
            + ratio(median { r in r.bfloat16.map { $0 / r.openBLAS } }) + ratio(median { $0.single / $0.openBLAS })
    }

    var json: JSONValue {
        func number(_ value: Double?) -> JSONValue { value.map { .double($0) } ?? .null }
        return .object([
            .init("product", .string(kind)), .init("weights", .string(product.name)), .init("m", .int(product.shape.m)),
            .init("n", .int(product.shape.n)), .init("k", .int(product.shape.k)), .init("count", .int(product.count)),
            .init("bfloat16", number(median(\.bfloat16))), .init("single", number(median(\.single))),
            .init("openBLAS", number(median(\.openBLAS))),
            .init("bfloat16Ratio", number(median { r in r.bfloat16.map { $0 / r.openBLAS } })),
            .init("singleRatio", number(median { $0.single / $0.openBLAS })),
        ])
    }

    /// All products of a step together: time of OpenBLAS's by time of ours.
    struct Total {
        /// Of those that are computed in bfloat16.
        let bfloat16: Double?
        let single: Double

        init(_ rows: [KernelRow]) {
            func sum(_ rows: [KernelRow], _ speed: (ProductBenchmark.Round) -> Double?) -> Double {
                rows.reduce(0) { $0 + ($1.seconds($1.median(speed)) ?? 0) }
            }
            let half = rows.filter { $0.median(\.bfloat16) != nil }
            bfloat16 = half.isEmpty ? nil : sum(half, \.openBLAS) / sum(half, \.bfloat16)
            single = sum(rows, \.openBLAS) / sum(rows, \.single)
        }

        var line: String {
            "all of a step, by time: "
                + (bfloat16.map { "bf16 \(String(format: "%.2f", $0)) times as fast as OpenBLAS, " } ?? "")
                + "fp32 \(String(format: "%.2f", single)) times"
        }
    }
}
