/// Blocks of 256 values whose parts have scales of their own, which are quantised too.
extension GGUFElement {
    /// Values `d · scale · q − dmin · minimum`, q of 4 bits.
    static func dequantiseQ4K(_ block: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>) {
        let nibbles = (block + 16).assumingMemoryBound(to: UInt8.self)
        forEachPart(block) { part, scale, minimum in
            let (nibbles, shift) = (nibbles + part / 2 * 32, UInt8(part % 2 * 4))
            for i in 0..<32 { out[part * 32 + i] = Float(nibbles[i] >> shift & 15) * scale - minimum }
        }
    }

    /// The same, q of 5 bits.
    static func dequantiseQ5K(_ block: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>) {
        let fifth = (block + 16).assumingMemoryBound(to: UInt8.self)
        let nibbles = fifth + 32
        forEachPart(block) { part, scale, minimum in
            let (nibbles, shift) = (nibbles + part / 2 * 32, UInt8(part % 2 * 4))
            for i in 0..<32 {
                let q = nibbles[i] >> shift & 15 | (fifth[i] >> UInt8(part) & 1) << 4
                out[part * 32 + i] = Float(q) * scale - minimum
            }
        }
    }

    /// Values `d · scale · (q − 32)`, q of 6 bits.
    static func dequantiseQ6K(_ block: UnsafeRawPointer, _ out: UnsafeMutablePointer<Float>) {
        let nibbles = block.assumingMemoryBound(to: UInt8.self)
        let pairs = nibbles + 128
        let scales = (block + 192).assumingMemoryBound(to: Int8.self)
        let d = half(block + 208)
        for part in 0..<16 {
            let scale = d * Float(scales[part])
            for i in part * 16..<part * 16 + 16 {
                // Halves of 128 values have 64 bytes of nibbles and 32 of bit pairs.
                let (first, place) = (i / 128, i % 128)
                let low = nibbles[first * 64 + place % 64] >> UInt8(place / 64 * 4) & 15
                let high = pairs[first * 32 + place % 32] >> UInt8(place / 32 * 2) & 3
                out[i] = Float(Int32(low | high << 4) - 32) * scale
            }
        }
    }

    /// Scale and minimum of each of the eight parts of 32 values, from the head of a block.
    @inline(__always)
    private static func forEachPart(
        _ block: UnsafeRawPointer, _ body: (_ part: Int, _ scale: Float, _ minimum: Float) -> Void
    ) {
        let (d, dmin) = (half(block), half(block + 2))
        // Twelve bytes: six bits of scale of parts 0 to 3, then of minimum, with the upper pairs of parts 4 to 7 above
        // them; then the nibbles of those.
        let packed = (block + 4).assumingMemoryBound(to: UInt8.self)
        for part in 0..<8 {
            let scale: UInt8
            let minimum: UInt8
            if part < 4 {
                (scale, minimum) = (packed[part] & 63, packed[part + 4] & 63)
            } else {
                scale = packed[part + 4] & 15 | packed[part - 4] >> 2 & 48
                minimum = packed[part + 4] >> 4 | packed[part] >> 2 & 48
            }
            body(part, d * Float(scale), dmin * Float(minimum))
        }
    }
}
