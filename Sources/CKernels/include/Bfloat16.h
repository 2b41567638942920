#ifndef NEFT_BFLOAT16_H
#define NEFT_BFLOAT16_H

#include <stddef.h>
#include <stdint.h>

/// Rounds `values[i] + residual[i]` to bfloat16, to nearest, ties to even; `words[i]` gets the 16 bits. What rounding
/// took away is left in `residual[i]` (error feedback), 0 where that is not a finite number. A NaN stays one.
void neft_bf16_round_with_feedback(const float *values, float *residual, uint32_t *words, size_t count);

/// Rounds `values[i]` to bfloat16; `words[i]` gets the 16 bits. `words` may be the memory of `values`.
void neft_bf16_round(const float *values, uint32_t *words, size_t count);

/// The floats whose upper halves `words` are. `values` may be the memory of `words`.
void neft_bf16_widen(const uint32_t *words, float *values, size_t count);

/// `out[i] = zigzag(next[i] - base[i])` in 16-bit arithmetic. `out` may be `next` or `base`.
void neft_delta16_encode(const uint32_t *next, const uint32_t *base, uint32_t *out, size_t count);

/// The inverse: `out[i] = base[i] + unzigzag(delta[i])`. `out` may be `delta` or `base`.
void neft_delta16_decode(const uint32_t *delta, const uint32_t *base, uint32_t *out, size_t count);

/// As `neft_planes_split` and `neft_planes_merge`, for words of 16 bits and two planes.
void neft_planes16_split(const uint32_t *words, size_t count, int rotate, uint8_t *plane0, uint8_t *plane1);
void neft_planes16_merge(uint32_t *words, size_t count, int rotate, const uint8_t *plane0, const uint8_t *plane1);

#endif
