import Foundation

/// A plane with axes in SVG. Colours come from the page's style sheet, so a chart follows its theme.
struct Chart {
    /// Size of the drawing, and the part of it between the axes.
    let width: Double
    let height: Double
    let left: Double
    let right: Double
    let top: Double
    let bottom: Double
    let x: ClosedRange<Double>
    let y: ClosedRange<Double>
    private(set) var body = ""

    /// - Parameters:
    ///   - x, y: what the axes span; widened where they are empty.
    init(
        width: Double = 960, height: Double = 300, left: Double = 58, right: Double = 16, top: Double = 12,
        bottom: Double = 42, x: ClosedRange<Double>, y: ClosedRange<Double>
    ) {
        (self.width, self.height, self.left, self.right) = (width, height, left, right)
        (self.top, self.bottom) = (top, bottom)
        func widened(_ range: ClosedRange<Double>) -> ClosedRange<Double> {
            range.lowerBound < range.upperBound ? range : range.lowerBound - 0.5...range.upperBound + 0.5
        }
        self.x = widened(x)
        self.y = widened(y)
    }

    func pointX(_ value: Double) -> Double {
        left + (value - x.lowerBound) / (x.upperBound - x.lowerBound) * (width - left - right)
    }

    func pointY(_ value: Double) -> Double {
        height - bottom - (value - y.lowerBound) / (y.upperBound - y.lowerBound) * (height - top - bottom)
    }

    /// Grid lines with labels at round numbers, and the axes' titles.
    mutating func axes(
        x xTitle: String, y yTitle: String, xLabel: (Double) -> String = Format.tick,
        yLabel: (Double) -> String = Format.tick
    ) {
        for value in Self.ticks(y, count: 5) {
            let at = Self.number(pointY(value))
            body +=
                #"<line class="grid" x1="\#(Self.number(left))" x2="\#(Self.number(width - right))" y1="\#(at)" y2="\#(at)"/>"#
            text(yLabel(value), x: left - 8, y: pointY(value) + 4, anchor: "end")
        }
        for value in Self.ticks(x, count: 8) {
            text(xLabel(value), x: pointX(value), y: height - bottom + 18, anchor: "middle")
        }
        text(xTitle, x: (left + width - right) / 2, y: height - 6, anchor: "middle")
        let middle = (top + height - bottom) / 2
        body +=
            #"<text transform="rotate(-90 13 \#(Self.number(middle)))" x="13" y="\#(Self.number(middle))" text-anchor="middle">\#(Format.escaped(yTitle))</text>"#
    }

    mutating func line(_ points: [(x: Double, y: Double)], style: String, title: String) {
        let path = points.map { "\(Self.number(pointX($0.x))),\(Self.number(pointY($0.y)))" }.joined(separator: " ")
        body +=
            #"<polyline class="line" style="\#(style)" points="\#(path)"><title>\#(Format.escaped(title))</title></polyline>"#
    }

    /// A rectangle in the drawing's own units.
    mutating func box(
        x: Double, y: Double, width: Double, height: Double, style: String, title: String = "", radius: Double = 0
    ) {
        body +=
            #"<rect x="\#(Self.number(x))" y="\#(Self.number(y))" width="\#(Self.number(max(0, width)))" height="\#(Self.number(max(0, height)))""#
        if radius > 0 { body += #" rx="\#(Self.number(radius))""# }
        body +=
            title.isEmpty
            ? #" style="\#(style)"/>"# : #" style="\#(style)"><title>\#(Format.escaped(title))</title></rect>"#
    }

    mutating func dot(x: Double, y: Double, radius: Double, style: String, title: String = "") {
        body +=
            #"<circle cx="\#(Self.number(x))" cy="\#(Self.number(y))" r="\#(Self.number(radius))" style="\#(style)"><title>\#(Format.escaped(title))</title></circle>"#
    }

    /// A dashed line across the plane at `value` of the x axis.
    mutating func rule(x value: Double) {
        let at = Self.number(pointX(value))
        body +=
            #"<line class="rule" x1="\#(at)" x2="\#(at)" y1="\#(Self.number(top))" y2="\#(Self.number(height - bottom))"/>"#
    }

    mutating func text(_ text: String, x: Double, y: Double, anchor: String = "start", style: String = "") {
        body += #"<text x="\#(Self.number(x))" y="\#(Self.number(y))" text-anchor="\#(anchor)""#
        body += style.isEmpty ? ">" : #" style="\#(style)">"#
        body += Format.escaped(text) + "</text>"
    }

    /// - Parameter label: what the picture shows, for those who do not see it.
    func svg(label: String) -> String {
        #"<svg viewBox="0 0 \#(Self.number(width)) \#(Self.number(height))" style="max-width:\#(Self.number(width))px" role="img" aria-label="\#(Format.escaped(label))">\#(body)</svg>"#
    }

    /// Round numbers within a range, about `count` of them.
    static func ticks(_ range: ClosedRange<Double>, count: Int) -> [Double] {
        let rough = (range.upperBound - range.lowerBound) / Double(count)
        guard rough > 0, rough.isFinite else { return [] }
        let power = pow(10, floor(log10(rough)))
        let step = power * ([1, 2, 5, 10].first { $0 * power >= rough } ?? 10)
        let first = (range.lowerBound / step).rounded(.up)
        return (0...count * 2).map { (first + Double($0)) * step }.filter { $0 <= range.upperBound + step * 1e-9 }
    }

    private static func number(_ value: Double) -> String {
        let text = String(format: "%.1f", value)
        return text.hasSuffix(".0") ? String(text.dropLast(2)) : text
    }
}
