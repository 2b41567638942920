#include "Bfloat16GEMM.h"

#include <string.h>

// As SinglePrecisionGEMM.c, with bfloat16 operands: the innermost kernel multiplies pairs along the sum and keeps an
// 8 × 48 piece of C in 24 vector registers. The left operand, activations, is laid into panels once and used by several
// products. The right one, weights, stays as the checkpoint has it and goes into panels block by block, so that forward
// and backward products, which pair it along different axes, share one copy of it.

void neft_bf16_from_floats(const float *values, uint16_t *words, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        const uint32_t nearest = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
        const uint32_t quiet = (bits >> 16) | 0x40u;
        words[i] = (uint16_t)((bits & 0x7FFFFFFFu) > 0x7F800000u ? quiet : nearest);
    }
}

void neft_bf16_to_floats(const uint16_t *words, float *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        const uint32_t bits = (uint32_t)words[i] << 16;
        memcpy(values + i, &bits, sizeof bits);
    }
}

#if defined(__x86_64__)
#include <immintrin.h>

#define AVX512 __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#define INLINE AVX512 static inline __attribute__((always_inline))

enum {
    lanes = 16,
    panel_rows = 8,                // rows of C in the registers
    panel_vectors = 3,             // and vectors of columns
    panel_columns = panel_vectors * lanes,
    block_columns = 288,           // columns of B in panels at once
    block_depth = 1024,            // of the sum: a panel of A (16 KB) stays in the first-level cache, B's in the second
};

int neft_bf16_gemm_is_available(void) {
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
           __builtin_cpu_supports("avx512vl") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512bf16");
}

long neft_bf16_gemm_scratch_count(void) { return (long)block_columns * (block_depth + 16); }

static inline long smaller(long x, long y) { return x < y ? x : y; }
static inline long even(long x) { return (x + 1) / 2 * 2; }

/// The sum is cut into parts of nearly equal depth, at multiples of 16: they depend on k alone.
static inline long parts_of(long k) { return k > block_depth ? (k + block_depth - 1) / block_depth : 1; }
static inline long part_start(long k, long part) {
    const long parts = parts_of(k);
    return part == parts ? k : k * part / parts / 16 * 16;
}

static inline long panel_lines(long m) { return (m + panel_rows - 1) / panel_rows * panel_rows; }
long neft_bf16_panels_count(long m, long k) { return panel_lines(m) * even(k); }

/// Pairs of 8 lines: `panel[(p * width + r) * 2 …]` gets pair p of line r. `r[i]` holds the 8 pairs of line i.
INLINE void transpose8x8(const __m256i r[8], uint16_t *panel, long width) {
    __m256i s[8], t[8];
    for (int i = 0; i < 4; i++) {
        s[2 * i] = _mm256_unpacklo_epi32(r[2 * i], r[2 * i + 1]);
        s[2 * i + 1] = _mm256_unpackhi_epi32(r[2 * i], r[2 * i + 1]);
    }
    for (int i = 0; i < 2; i++) {
        t[4 * i] = _mm256_unpacklo_epi64(s[4 * i], s[4 * i + 2]);
        t[4 * i + 1] = _mm256_unpackhi_epi64(s[4 * i], s[4 * i + 2]);
        t[4 * i + 2] = _mm256_unpacklo_epi64(s[4 * i + 1], s[4 * i + 3]);
        t[4 * i + 3] = _mm256_unpackhi_epi64(s[4 * i + 1], s[4 * i + 3]);
    }
    for (int i = 0; i < 4; i++) {
        _mm256_storeu_si256((__m256i *)(panel + 2 * i * width), _mm256_permute2x128_si256(t[i], t[i + 4], 0x20));
        _mm256_storeu_si256((__m256i *)(panel + 2 * (i + 4) * width), _mm256_permute2x128_si256(t[i], t[i + 4], 0x31));
    }
}

INLINE uint16_t rounded(float value) {
    uint16_t word;
    neft_bf16_from_floats(&value, &word, 1);
    return word;
}

AVX512 void neft_bf16_pack(const float *a, long lda, long m, long k, long first, long last, uint16_t *panels) {
    for (long part = 0; part < parts_of(k); part++) {
        const long p0 = part_start(k, part), depth = part_start(k, part + 1) - p0;
        uint16_t *const base = panels + p0 * panel_lines(m);
        for (long i = first; i < last; i += panel_rows) {
            const long lines = smaller(last - i, panel_rows);
            const float *const from = a + i * lda + p0;
            uint16_t *const panel = base + i * even(depth);
            for (long p = 0; p < depth; p += 2 * panel_rows) {
                // 16 values of each line: whole vectors but at the end.
                const __mmask16 mask = depth - p >= lanes ? 0xffff : (__mmask16)((1u << (depth - p)) - 1);
                __m256i r[8];
                for (int line = 0; line < panel_rows; line++)
                    r[line] = line < lines
                                  ? (__m256i)_mm512_cvtneps_pbh(_mm512_maskz_loadu_ps(mask, from + line * lda + p))
                                  : _mm256_setzero_si256();
                if (depth - p >= lanes) {
                    transpose8x8(r, panel + p * panel_rows, panel_rows);
                } else {
                    uint16_t whole[lanes * panel_rows];
                    transpose8x8(r, whole, panel_rows);
                    memcpy(panel + p * panel_rows, whole, (size_t)(even(depth - p) * panel_rows) * sizeof *whole);
                }
            }
        }
    }
}

/// A panel of columns `0 ..< count` of the right operand, `width` (a multiple of 16) wide, zeros beyond `count` and
/// `depth`: from rows of B, whose pairs lie beside each other.
AVX512 static void pack_lines(const uint16_t *b, long ldb, long count, long width, long depth, uint16_t *panel) {
    for (long line = 0; line < width; line += 8) {
        const long lines = smaller(count - line, 8);
        const uint16_t *const from = b + line * ldb;
        for (long p = 0; p < depth; p += lanes) {
            const __mmask16 mask = depth - p >= lanes ? 0xffff : (__mmask16)((1u << (depth - p)) - 1);
            __m256i r[8];
            // Rows are too short for the processor to see them coming.
            if (p % (2 * lanes) == 0)
                for (int i = 8; i < 16; i++) _mm_prefetch((const char *)(from + i * ldb + p), _MM_HINT_T0);
            for (int i = 0; i < 8; i++)
                r[i] = i < lines ? _mm256_maskz_loadu_epi16(mask, from + i * ldb + p) : _mm256_setzero_si256();
            uint16_t *const to = panel + p * width + 2 * line;
            if (depth - p >= lanes) {
                transpose8x8(r, to, width);
            } else {
                uint16_t whole[lanes * 8];
                transpose8x8(r, whole, 8);
                for (long pair = 0; pair < even(depth - p) / 2; pair++)
                    memcpy(to + 2 * pair * width, whole + 16 * pair, 16 * sizeof *whole);
            }
        }
    }
}

/// The same from columns of B: two neighbouring rows give the pairs.
AVX512 static void pack_columns(const uint16_t *b, long ldb, long count, long width, long depth, uint16_t *panel) {
    for (long p = 0; p < depth; p += 2) {
        const uint16_t *const low = b + p * ldb, *const high = low + ldb;
        for (int row = 16; row < 18; row++)
            for (int j = 0; j < panel_columns; j += 2 * lanes)
                _mm_prefetch((const char *)(low + row * ldb + j), _MM_HINT_T0);
        for (long j = 0; j < width; j += lanes) {
            const __mmask16 mask = count - j >= lanes ? 0xffff : count > j ? (__mmask16)((1u << (count - j)) - 1) : 0;
            const __mmask16 second = p + 1 < depth ? mask : 0;
            const __m512i x = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(mask, low + j));
            const __m512i y = _mm512_cvtepu16_epi32(_mm256_maskz_loadu_epi16(second, high + j));
            _mm512_storeu_si512(panel + p * width + 2 * j, _mm512_or_si512(x, _mm512_slli_epi32(y, 16)));
        }
    }
}

/// `C [rows, columns] = A · B (+ C)` from one panel of each, `pairs` pairs deep.
INLINE void multiply(const int vectors, long pairs, const uint16_t *a, const uint16_t *b, int accumulate, float *c,
                     long ldc, long rows, long columns) {
    __m512 sums[panel_rows][panel_vectors];
    for (int i = 0; i < panel_rows; i++)
        for (int j = 0; j < vectors; j++) sums[i][j] = _mm512_setzero_ps();
    for (int i = 0; i < rows; i++)
        for (int j = 0; j < vectors; j++) _mm_prefetch((const char *)(c + i * ldc + j * lanes), _MM_HINT_T0);
    const int32_t *x = (const int32_t *)a;
    for (long p = 0; p < pairs; p++) {
        __m512bh y[panel_vectors];
        for (int j = 0; j < vectors; j++) y[j] = (__m512bh)_mm512_loadu_si512(b + 2 * j * lanes);
#pragma clang loop unroll(full)
        for (int i = 0; i < panel_rows; i++) {
            const __m512bh pair = (__m512bh)_mm512_set1_epi32(x[i]);
            for (int j = 0; j < vectors; j++) sums[i][j] = _mm512_dpbf16_ps(sums[i][j], pair, y[j]);
        }
        x += panel_rows;
        b += 2 * vectors * lanes;
    }
    const __mmask16 last = (__mmask16)(0xffffu >> (vectors * lanes - columns));
#pragma clang loop unroll(full)
    for (int i = 0; i < panel_rows; i++) {
        if (i >= rows) return;
        for (int j = 0; j < vectors; j++) {
            const __mmask16 mask = j + 1 < vectors ? 0xffff : last;
            float *const to = c + i * ldc + j * lanes;
            _mm512_mask_storeu_ps(
                to, mask, accumulate ? _mm512_add_ps(sums[i][j], _mm512_maskz_loadu_ps(mask, to)) : sums[i][j]);
        }
    }
}

#define MULTIPLY(VECTORS)                                                                                             \
    AVX512 static __attribute__((noinline)) void multiply##VECTORS(long pairs, const uint16_t *a, const uint16_t *b,  \
                                                                   int accumulate, float *c, long ldc, long rows,     \
                                                                   long columns) {                                    \
        multiply(VECTORS, pairs, a, b, accumulate, c, ldc, rows, columns);                                            \
    }
MULTIPLY(1)
MULTIPLY(2)
MULTIPLY(3)

AVX512 void neft_bf16_gemm(const uint16_t *panels, long m, long first, long last, int transposeB, long n, long k,
                           const uint16_t *b, long ldb, int accumulate, float *c, long ldc, uint16_t *scratch) {
    for (long part = 0; part < parts_of(k); part++) {
        const long p0 = part_start(k, part), depth = part_start(k, part + 1) - p0, padded = even(depth);
        const uint16_t *const panelsA = panels + p0 * panel_lines(m);
        const int adds = accumulate || part > 0;
        for (long j0 = 0; j0 < n; j0 += block_columns) {
            const long columns = smaller(n - j0, block_columns);
            for (long j = 0; j < columns; j += panel_columns) {
                const long count = smaller(columns - j, panel_columns);
                const long width = (count + lanes - 1) / lanes * lanes;
                if (transposeB) pack_lines(b + (j0 + j) * ldb + p0, ldb, count, width, depth, scratch + j * padded);
                else pack_columns(b + p0 * ldb + j0 + j, ldb, count, width, depth, scratch + j * padded);
            }
            for (long i = first; i < last; i += panel_rows) {
                const long height = smaller(last - i, panel_rows);
                for (long j = 0; j < columns; j += panel_columns) {
                    const long count = smaller(columns - j, panel_columns);
                    float *const to = c + (i - first) * ldc + j0 + j;
                    const uint16_t *const x = panelsA + i * padded, *const y = scratch + j * padded;
                    if (count > 2 * lanes) multiply3(padded / 2, x, y, adds, to, ldc, height, count);
                    else if (count > lanes) multiply2(padded / 2, x, y, adds, to, ldc, height, count);
                    else multiply1(padded / 2, x, y, adds, to, ldc, height, count);
                }
            }
        }
    }
}

#else

int neft_bf16_gemm_is_available(void) { return 0; }
long neft_bf16_gemm_scratch_count(void) { return 0; }
long neft_bf16_panels_count(long m, long k) { return 0; }
void neft_bf16_pack(const float *a, long lda, long m, long k, long first, long last, uint16_t *panels) {
    __builtin_trap();
}
void neft_bf16_gemm(const uint16_t *panels, long m, long first, long last, int transposeB, long n, long k,
                    const uint16_t *b, long ldb, int accumulate, float *c, long ldc, uint16_t *scratch) {
    __builtin_trap();
}

#endif
