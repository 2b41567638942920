#include "FewRows.h"

#if defined(__x86_64__)
#include <immintrin.h>

// Four rows of B at a time meet up to six of A: 24 multiply-adds for 10 loads, and the four rows, read from memory for
// the first six, are in the first-level cache for the next ones.

enum { columns_at_once = 4, rows_at_once = 6, rows_ahead = 8 };

#define SINGLE __attribute__((target("avx512f")))
#define HALF __attribute__((target("avx512f,avx512bw,avx512vl,avx512dq,avx512bf16")))
#define INLINE static inline __attribute__((always_inline))

static inline long smaller(long x, long y) { return x < y ? x : y; }

/// The sums of the lanes of four vectors, added up by halves.
SINGLE INLINE __m128 sum_lanes(const __m512 s[columns_at_once]) {
    const __m512 low = _mm512_add_ps(_mm512_unpacklo_ps(s[0], s[1]), _mm512_unpackhi_ps(s[0], s[1]));
    const __m512 high = _mm512_add_ps(_mm512_unpacklo_ps(s[2], s[3]), _mm512_unpackhi_ps(s[2], s[3]));
    const __m512d lows = _mm512_castps_pd(low), highs = _mm512_castps_pd(high);
    const __m512 all = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(lows, highs)),
                                     _mm512_castpd_ps(_mm512_unpackhi_pd(lows, highs)));
    const __m256 half = _mm256_add_ps(_mm512_castps512_ps256(all), _mm256_castpd_ps(_mm512_extractf64x4_pd(_mm512_castps_pd(all), 1)));
    return _mm_add_ps(_mm256_castps256_ps128(half), _mm256_extractf128_ps(half, 1));
}

SINGLE INLINE void store(__m128 sums, long columns, int accumulate, float *c) {
    float values[columns_at_once];
    _mm_storeu_ps(values, sums);
    for (long j = 0; j < columns; j++) c[j] = accumulate ? c[j] + values[j] : values[j];
}

// A block of C: `rows` rows, a constant of the caller, and `columns` columns. Where columns are missing the last one
// stands in for them.
#define BLOCK(NAME, TARGET, WORD, LANES, MASK, VECTOR, LOAD, ADD)                                                     \
    TARGET INLINE void NAME##_block(const int rows, long columns, long k, const WORD *a, long lda, const WORD *b,     \
                                    long ldb, int accumulate, float *c, long ldc) {                                   \
        const WORD *line[columns_at_once];                                                                            \
        __m512 sums[rows_at_once][columns_at_once];                                                                   \
        for (int j = 0; j < columns_at_once; j++) line[j] = b + smaller(j, columns - 1) * ldb;                        \
        for (int i = 0; i < rows; i++)                                                                                \
            for (int j = 0; j < columns_at_once; j++) sums[i][j] = _mm512_setzero_ps();                               \
        for (long p = 0; p < k; p += LANES) {                                                                         \
            const MASK mask = k - p >= LANES ? (MASK)~0 : (MASK)(((MASK)1 << (k - p)) - 1);                           \
            VECTOR y[columns_at_once];                                                                                \
            for (int j = 0; j < columns_at_once; j++) {                                                               \
                _mm_prefetch((const char *)(line[j] + rows_ahead * ldb + p), _MM_HINT_T0);                            \
                y[j] = (VECTOR)LOAD(mask, line[j] + p);                                                               \
            }                                                                                                         \
            _Pragma("clang loop unroll(full)") for (int i = 0; i < rows; i++) {                                       \
                const VECTOR x = (VECTOR)LOAD(mask, a + i * lda + p);                                                 \
                for (int j = 0; j < columns_at_once; j++) sums[i][j] = ADD;                                           \
            }                                                                                                         \
        }                                                                                                             \
        for (int i = 0; i < rows; i++) store(sum_lanes(sums[i]), columns, accumulate, c + i * ldc);                   \
    }                                                                                                                 \
    TARGET void NAME(long m, long n, long k, const WORD *a, long lda, const WORD *b, long ldb, int accumulate,        \
                     float *c, long ldc) {                                                                            \
        for (long j = 0; j < n; j += columns_at_once) {                                                               \
            const long columns = smaller(n - j, columns_at_once);                                                     \
            for (long i = 0; i < m; i += rows_at_once) {                                                              \
                const WORD *const x = a + i * lda, *const y = b + j * ldb;                                            \
                float *const to = c + i * ldc + j;                                                                    \
                switch (smaller(m - i, rows_at_once)) {                                                               \
                case 1: NAME##_block(1, columns, k, x, lda, y, ldb, accumulate, to, ldc); break;                      \
                case 2: NAME##_block(2, columns, k, x, lda, y, ldb, accumulate, to, ldc); break;                      \
                case 3: NAME##_block(3, columns, k, x, lda, y, ldb, accumulate, to, ldc); break;                      \
                case 4: NAME##_block(4, columns, k, x, lda, y, ldb, accumulate, to, ldc); break;                      \
                case 5: NAME##_block(5, columns, k, x, lda, y, ldb, accumulate, to, ldc); break;                      \
                default: NAME##_block(6, columns, k, x, lda, y, ldb, accumulate, to, ldc); break;                     \
                }                                                                                                     \
            }                                                                                                         \
        }                                                                                                             \
    }

BLOCK(neft_sgemm_few_rows, SINGLE, float, 16, __mmask16, __m512, _mm512_maskz_loadu_ps,
      _mm512_fmadd_ps(x, y[j], sums[i][j]))
BLOCK(neft_bf16_few_rows, HALF, uint16_t, 32, __mmask32, __m512bh, _mm512_maskz_loadu_epi16,
      _mm512_dpbf16_ps(sums[i][j], x, y[j]))

#else

void neft_sgemm_few_rows(long m, long n, long k, const float *a, long lda, const float *b, long ldb, int accumulate,
                         float *c, long ldc) {
    __builtin_trap();
}
void neft_bf16_few_rows(long m, long n, long k, const uint16_t *a, long lda, const uint16_t *b, long ldb,
                        int accumulate, float *c, long ldc) {
    __builtin_trap();
}

#endif
