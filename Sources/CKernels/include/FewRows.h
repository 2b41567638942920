#ifndef NEFT_FEW_ROWS_H
#define NEFT_FEW_ROWS_H

#include <stdint.h>

/// `C [m, n] = A [m, k] · Bᵀ`, plus C itself with `accumulate`, for `B [n, k]`; row-major, strides in values. One thread.
///
/// For so few rows that reading B once is what counts: nothing is copied. Each value of C is the same sum in the same
/// order whatever m and n are and wherever it stands in C. Needs AVX-512F (`neft_sgemm_is_available`).
void neft_sgemm_few_rows(long m, long n, long k, const float *a, long lda, const float *b, long ldb, int accumulate,
                         float *c, long ldc);

/// The same with bfloat16 operands: exact products, fp32 sums of pairs along k; subnormal numbers count as zero. Needs
/// AVX512_BF16 (`neft_bf16_gemm_is_available`).
void neft_bf16_few_rows(long m, long n, long k, const uint16_t *a, long lda, const uint16_t *b, long ldb,
                        int accumulate, float *c, long ldc);

#endif
