#include "SinglePrecisionGEMM.h"

// Blocked as Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication" (2008): a block of A and a block
// of B are copied into panels that the innermost kernel reads with stride 1, and the kernel keeps an 8 × 48 piece of C
// in 24 of the 32 vector registers: 24 multiply-adds for 11 loads.

#if defined(__x86_64__)
#include <immintrin.h>
#include <string.h>

#define AVX512 __attribute__((target("avx512f")))

enum {
    lanes = 16,
    panel_rows = 8,                // rows of C in the registers
    panel_vectors = 3,             // and vectors of columns
    panel_columns = panel_vectors * lanes,
    block_rows = 1024,             // rows of A in panels at once
    block_columns = 288,           // columns of B: its panels (0.7 MB) stay in the second-level cache
    block_depth = 576,             // of the sum: a panel of A (18 KB) stays in the first-level cache
};

int neft_sgemm_is_available(void) { return __builtin_cpu_supports("avx512f"); }

long neft_sgemm_scratch_count(void) { return (long)(block_rows + block_columns) * (block_depth + panel_rows); }

/// An 8 × 8 block: `panel[p * width + r] = source[r * stride + p]`.
AVX512 static inline __attribute__((always_inline)) void transpose8x8(const float *source, long stride, float *panel,
                                                                      long width) {
    __m256 r[8], s[8];
    for (int i = 0; i < 8; i++) r[i] = _mm256_loadu_ps(source + i * stride);
    for (int i = 0; i < 4; i++) {
        s[2 * i] = _mm256_unpacklo_ps(r[2 * i], r[2 * i + 1]);
        s[2 * i + 1] = _mm256_unpackhi_ps(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        r[4 * i] = _mm256_shuffle_ps(s[4 * i], s[4 * i + 2], 0x44);
        r[4 * i + 1] = _mm256_shuffle_ps(s[4 * i], s[4 * i + 2], 0xee);
        r[4 * i + 2] = _mm256_shuffle_ps(s[4 * i + 1], s[4 * i + 3], 0x44);
        r[4 * i + 3] = _mm256_shuffle_ps(s[4 * i + 1], s[4 * i + 3], 0xee);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_ps(panel + i * width, _mm256_permute2f128_ps(r[i], r[i + 4], 0x20));
        _mm256_storeu_ps(panel + (i + 4) * width, _mm256_permute2f128_ps(r[i], r[i + 4], 0x31));
    }
}

/// A panel of `width` lines (a multiple of 8), of which `count` exist: `panel[p * width + line]`. The lines are rows of
/// `source` when `linesAreRows`, else its columns.
AVX512 static void pack(const float *source, long stride, int linesAreRows, long count, long width, long depth,
                        float *panel) {
    if (!linesAreRows) {
        for (long p = 0; p < depth; p++) {
            memcpy(panel + p * width, source + p * stride, (size_t)count * sizeof(float));
            for (long i = count; i < width; i++) panel[p * width + i] = 0;
        }
        return;
    }
    const long whole = count / 8 * 8;
    long p = 0;
    // A cache line of each row at a time: all of it is used, and the panel is written front to back.
    for (; p + 16 <= depth; p += 16) {
        for (long line = 0; line < whole; line += 8) {
            const float *from = source + line * stride + p;
            for (int i = 0; i < 8; i++) _mm_prefetch((const char *)(from + i * stride + 16), _MM_HINT_T0);
            transpose8x8(from, stride, panel + p * width + line, width);
            transpose8x8(from + 8, stride, panel + (p + 8) * width + line, width);
        }
    }
    for (; p < depth; p++)
        for (long line = 0; line < whole; line++) panel[p * width + line] = source[line * stride + p];
    for (long line = whole; line < width; line++)
        for (long q = 0; q < depth; q++) panel[q * width + line] = line < count ? source[line * stride + q] : 0;
}

/// `C [rows, columns] = alpha · A · B (+ C)` from one panel of each; `vectors` · 16 ≥ `columns` > (`vectors` − 1) · 16.
AVX512 static inline __attribute__((always_inline)) void multiply(
    const int vectors, long depth, const float *a, const float *b, float alpha, int accumulate, float *c, long ldc,
    long rows, long columns) {
    __m512 sums[panel_rows][panel_vectors];
    for (int i = 0; i < panel_rows; i++)
        for (int j = 0; j < vectors; j++) sums[i][j] = _mm512_setzero_ps();
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++) _mm_prefetch((const char *)(c + i * ldc + j * lanes), _MM_HINT_T0);
    for (long p = 0; p < depth; p++) {
        __m512 y[panel_vectors];
        for (int j = 0; j < vectors; j++) y[j] = _mm512_loadu_ps(b + j * lanes);
#pragma clang loop unroll(full)
        for (int i = 0; i < panel_rows; i++) {
            const __m512 x = _mm512_set1_ps(a[i]);
            for (int j = 0; j < vectors; j++) sums[i][j] = _mm512_fmadd_ps(x, y[j], sums[i][j]);
        }
        a += panel_rows;
        b += vectors * lanes;
    }
    const __m512 factor = _mm512_set1_ps(alpha);
    const __mmask16 last = (__mmask16)(0xffffu >> (vectors * lanes - columns));
#pragma clang loop unroll(full)
    for (int i = 0; i < panel_rows; i++) {
        if (i >= rows) return;
        for (int j = 0; j < vectors; j++) {
            const __mmask16 mask = j + 1 < vectors ? 0xffff : last;
            float *to = c + i * ldc + j * lanes;
            const __m512 value = accumulate
                                     ? _mm512_fmadd_ps(factor, sums[i][j], _mm512_maskz_loadu_ps(mask, to))
                                     : _mm512_mul_ps(factor, sums[i][j]);
            _mm512_mask_storeu_ps(to, mask, value);
        }
    }
}

AVX512 static __attribute__((noinline)) void multiply3(long depth, const float *a, const float *b, float alpha,
                                                       int accumulate, float *c, long ldc, long rows, long columns) {
    multiply(3, depth, a, b, alpha, accumulate, c, ldc, rows, columns);
}
AVX512 static __attribute__((noinline)) void multiply2(long depth, const float *a, const float *b, float alpha,
                                                       int accumulate, float *c, long ldc, long rows, long columns) {
    multiply(2, depth, a, b, alpha, accumulate, c, ldc, rows, columns);
}
AVX512 static __attribute__((noinline)) void multiply1(long depth, const float *a, const float *b, float alpha,
                                                       int accumulate, float *c, long ldc, long rows, long columns) {
    multiply(1, depth, a, b, alpha, accumulate, c, ldc, rows, columns);
}

static inline long smaller(long x, long y) { return x < y ? x : y; }

AVX512 void neft_sgemm(int transposeA, int transposeB, long m, long n, long k, float alpha, const float *a, long lda,
                       const float *b, long ldb, int accumulate, float *c, long ldc, float *scratch) {
    float *const panelsA = scratch;
    float *const panelsB = scratch + (long)block_rows * (block_depth + panel_rows);
    const long depths = k > block_depth ? (k + block_depth - 1) / block_depth : 1;
    for (long i0 = 0; i0 < m; i0 += block_rows) {
        const long rows = smaller(m - i0, block_rows);
        for (long part = 0; part < depths; part++) {
            // Parts of nearly equal depth, at multiples of 8: they depend on k alone.
            const long p0 = k * part / depths / 8 * 8;
            const long p1 = part + 1 == depths ? k : k * (part + 1) / depths / 8 * 8;
            const long depth = p1 - p0;
            const int adds = accumulate || part > 0;
            for (long i = 0; i < rows; i += panel_rows)
                pack(transposeA ? a + p0 * lda + i0 + i : a + (i0 + i) * lda + p0, lda, !transposeA,
                     smaller(rows - i, panel_rows), panel_rows, depth, panelsA + i * depth);
            for (long j0 = 0; j0 < n; j0 += block_columns) {
                const long columns = smaller(n - j0, block_columns);
                for (long j = 0; j < columns; j += panel_columns) {
                    const long count = smaller(columns - j, panel_columns);
                    pack(transposeB ? b + (j0 + j) * ldb + p0 : b + p0 * ldb + j0 + j, ldb, transposeB, count,
                         (count + lanes - 1) / lanes * lanes, depth, panelsB + j * depth);
                }
                for (long i = 0; i < rows; i += panel_rows) {
                    const long height = smaller(rows - i, panel_rows);
                    for (long j = 0; j < columns; j += panel_columns) {
                        const long count = smaller(columns - j, panel_columns);
                        float *to = c + (i0 + i) * ldc + j0 + j;
                        const float *x = panelsA + i * depth, *y = panelsB + j * depth;
                        if (count > 2 * lanes) multiply3(depth, x, y, alpha, adds, to, ldc, height, count);
                        else if (count > lanes) multiply2(depth, x, y, alpha, adds, to, ldc, height, count);
                        else multiply1(depth, x, y, alpha, adds, to, ldc, height, count);
                    }
                }
            }
        }
    }
}

#else

int neft_sgemm_is_available(void) { return 0; }
long neft_sgemm_scratch_count(void) { return 0; }
void neft_sgemm(int transposeA, int transposeB, long m, long n, long k, float alpha, const float *a, long lda,
                const float *b, long ldb, int accumulate, float *c, long ldc, float *scratch) {
    __builtin_trap();
}

#endif
