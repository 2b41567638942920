/// Quantities for people to read.
public enum Human {
    /// `0.4s`, `45s`, `1m 20s`, `2h 05m`, `3d 04h`; `–` for what is not finite or negative.
    public static func duration(_ seconds: Double) -> String {
        // Beyond some 30 000 years, so that the conversion below cannot overflow.
        guard seconds >= 0, seconds < 1e12 else { return "–" }
        let tenths = Int((seconds * 10).rounded())
        if tenths < 100 { return "\(tenths / 10).\(tenths % 10)s" }
        let whole = Int(seconds.rounded())
        let (days, hours, minutes) = (whole / 86400, whole / 3600 % 24, whole / 60 % 60)
        if whole < 60 { return "\(whole)s" }
        if whole < 3600 { return "\(minutes)m \(twoDigits(whole % 60))s" }
        if whole < 86400 { return "\(hours)h \(twoDigits(minutes))m" }
        return "\(days)d \(twoDigits(hours))h"
    }

    /// `512 B`, `12.3 MB`: powers of 1000.
    public static func bytes(_ count: Int) -> String {
        scaled(Double(count), units: ["B", "kB", "MB", "GB", "TB", "PB"])
    }

    /// `950`, `12.3 k`, `5.7 M`.
    public static func count(_ count: Int) -> String {
        let text = scaled(Double(count), units: ["", "k", "M", "G", "T"])
        return text.hasSuffix(" ") ? String(text.dropLast()) : text
    }

    private static func scaled(_ value: Double, units: [String]) -> String {
        if value < 0 { return "-" + scaled(-value, units: units) }
        if value < 1000 { return "\(Int(value)) \(units[0])" }
        var value = value / 1000
        var unit = 1
        // 999 950 rounds to 1000.0 k, which is 1.0 M.
        while (value * 10).rounded() >= 10000, unit + 1 < units.count {
            value /= 1000
            unit += 1
        }
        let tenths = Int((value * 10).rounded())
        return "\(tenths / 10).\(tenths % 10) \(units[unit])"
    }

    private static func twoDigits(_ value: Int) -> String { value < 10 ? "0\(value)" : "\(value)" }
}
