#ifndef NEFT_BYTEPLANE_CODEC_H
#define NEFT_BYTEPLANE_CODEC_H

#include <stddef.h>
#include <stdint.h>

/// Splits `count` 32-bit words into four planes of `count` bytes, plane 0 the least significant byte.
/// With `rotate` each word is first rotated left by one bit: the eight exponent bits of a float then fill plane 3
/// and the sign joins the mantissa in plane 0. `words` and the planes must not overlap.
void neft_planes_split(const uint32_t *words, size_t count, int rotate, uint8_t *plane0, uint8_t *plane1,
                       uint8_t *plane2, uint8_t *plane3);

/// The inverse of `neft_planes_split`.
void neft_planes_merge(uint32_t *words, size_t count, int rotate, const uint8_t *plane0, const uint8_t *plane1,
                       const uint8_t *plane2, const uint8_t *plane3);

/// `out[i] = zigzag(next[i] - base[i])`, the wrapping difference of the bit patterns with its sign in the lowest bit.
/// `out` may be `next` or `base`.
void neft_delta_encode(const uint32_t *next, const uint32_t *base, uint32_t *out, size_t count);

/// The inverse: `out[i] = base[i] + unzigzag(delta[i])`. `out` may be `delta` or `base`.
void neft_delta_decode(const uint32_t *delta, const uint32_t *base, uint32_t *out, size_t count);

/// A checksum of `count` words that depends on every bit and its place. Any change within one word changes it.
uint64_t neft_words_checksum(const uint32_t *words, size_t count);

/// Counts byte values in a sample: `pieces` (at least 2) evenly spread pieces of `pieceBytes`, or all bytes where there
/// are no more. Overwrites the 256 counters; returns the number of bytes counted.
size_t neft_sample_histogram(const uint8_t *bytes, size_t count, size_t pieces, size_t pieceBytes,
                             uint32_t *histogram);

/// Replaces every byte with `isRare[byte]` by `escape`, itself rare, and lists what stood there in `exceptions`, in order.
/// Returns their number.
size_t neft_escape(uint8_t *bytes, size_t count, const uint8_t *isRare, uint8_t escape, uint8_t *exceptions);

/// The inverse. Returns the number of `escape` in `bytes`; only the first `available` are replaced.
size_t neft_unescape(uint8_t *bytes, size_t count, uint8_t escape, const uint8_t *exceptions, size_t available);

#endif
