#ifndef NEFT_SINGLE_PRECISION_GEMM_H
#define NEFT_SINGLE_PRECISION_GEMM_H

/// 1 when this CPU has the instructions of `neft_sgemm` (AVX-512F), else 0: use OpenBLAS there.
int neft_sgemm_is_available(void);

/// Floats of scratch that a call needs, 64-byte aligned. Two calls at once need one each.
long neft_sgemm_scratch_count(void);

/// `C [m, n] = alpha · op(A) · op(B)`, plus C itself with `accumulate`. Row-major, strides in floats.
/// `op(A)` is `A [m, k]`, or the transpose of `A [k, m]` with `transposeA`; `op(B)` is `B [k, n]`, or the transpose of
/// `B [n, k]` with `transposeB`. C must not overlap A or B. One thread.
///
/// Each value of C is the same sum in the same order whatever m and n are and wherever it stands in C, so a product may
/// be cut into tiles anyhow without a change of bits.
void neft_sgemm(int transposeA, int transposeB, long m, long n, long k, float alpha, const float *a, long lda,
                const float *b, long ldb, int accumulate, float *c, long ldc, float *scratch);

#endif
