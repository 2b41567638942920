#ifndef NEFT_BFLOAT16_GEMM_H
#define NEFT_BFLOAT16_GEMM_H

#include <stddef.h>
#include <stdint.h>

/// 1 when this CPU has the instructions of the functions below (AVX512_BF16), else 0: none of them may be called there.
int neft_bf16_gemm_is_available(void);

/// 16-bit words of scratch that a call of `neft_bf16_gemm` needs, 64-byte aligned. Two calls at once need one each.
long neft_bf16_gemm_scratch_count(void);

/// 16-bit words of the panels of a left operand `[m, k]`.
long neft_bf16_panels_count(long m, long k);

/// Rounds rows `first ..< last` of `a [m, k]` (row stride `lda` floats) to bfloat16, to nearest, ties to even, and lays
/// them into the panels of the whole operand. `first` is a multiple of 8, and `last` one or m.
void neft_bf16_pack(const float *a, long lda, long m, long k, long first, long last, uint16_t *panels);

/// `C [last - first, n] = op(B)` applied to rows `first ..< last` of the left operand `[m, k]` in `panels`; plus C itself
/// with `accumulate`. `op(B)` is `B [k, n]`, or the transpose of `B [n, k]` with `transposeB`; bfloat16, row-major, `ldb`
/// words per row. C is fp32, `ldc` floats per row. `first` is a multiple of 8. One thread.
///
/// Products of two bfloat16 are exact; sums are in fp32, of pairs along k. Each value of C is the same sum in the same
/// order whatever m and n are and wherever it stands in C. Subnormal numbers count as zero.
void neft_bf16_gemm(const uint16_t *panels, long m, long first, long last, int transposeB, long n, long k,
                    const uint16_t *b, long ldb, int accumulate, float *c, long ldc, uint16_t *scratch);

/// Rounds to bfloat16, to nearest, ties to even; a NaN stays one.
void neft_bf16_from_floats(const float *values, uint16_t *words, size_t count);

/// The floats whose upper halves `words` are.
void neft_bf16_to_floats(const uint16_t *words, float *values, size_t count);

#endif
