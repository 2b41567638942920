// The byte shuffling of the exchange's codec. Plain loops that clang vectorises; Swift's SIMD has no narrowing
// shuffles and its scalar loops are ten times slower here.
#include "ByteplaneCodec.h"

#include <string.h>

#if defined(__x86_64__)
// The start-up check (CPU.c) covers these.
#pragma clang attribute push(__attribute__((target("avx2,bmi2"))), apply_to = function)
#endif

static inline uint32_t rotated(uint32_t word) { return (word << 1) | (word >> 31); }
static inline uint32_t unrotated(uint32_t word) { return (word >> 1) | (word << 31); }

void neft_planes_split(const uint32_t *restrict words, size_t count, int rotate, uint8_t *restrict plane0,
                       uint8_t *restrict plane1, uint8_t *restrict plane2, uint8_t *restrict plane3) {
    if (rotate) {
        for (size_t i = 0; i < count; i++) {
            uint32_t word = rotated(words[i]);
            plane0[i] = (uint8_t)word;
            plane1[i] = (uint8_t)(word >> 8);
            plane2[i] = (uint8_t)(word >> 16);
            plane3[i] = (uint8_t)(word >> 24);
        }
    } else {
        for (size_t i = 0; i < count; i++) {
            uint32_t word = words[i];
            plane0[i] = (uint8_t)word;
            plane1[i] = (uint8_t)(word >> 8);
            plane2[i] = (uint8_t)(word >> 16);
            plane3[i] = (uint8_t)(word >> 24);
        }
    }
}

void neft_planes_merge(uint32_t *restrict words, size_t count, int rotate, const uint8_t *restrict plane0,
                       const uint8_t *restrict plane1, const uint8_t *restrict plane2,
                       const uint8_t *restrict plane3) {
    if (rotate) {
        for (size_t i = 0; i < count; i++) {
            uint32_t word = (uint32_t)plane0[i] | (uint32_t)plane1[i] << 8 | (uint32_t)plane2[i] << 16 |
                            (uint32_t)plane3[i] << 24;
            words[i] = unrotated(word);
        }
    } else {
        for (size_t i = 0; i < count; i++) {
            words[i] = (uint32_t)plane0[i] | (uint32_t)plane1[i] << 8 | (uint32_t)plane2[i] << 16 |
                       (uint32_t)plane3[i] << 24;
        }
    }
}

void neft_delta_encode(const uint32_t *next, const uint32_t *base, uint32_t *out, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t difference = next[i] - base[i];
        out[i] = (difference << 1) ^ (uint32_t)((int32_t)difference >> 31);
    }
}

void neft_delta_decode(const uint32_t *delta, const uint32_t *base, uint32_t *out, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t difference = (delta[i] >> 1) ^ (0u - (delta[i] & 1u));
        out[i] = base[i] + difference;
    }
}

enum { lanes = 32 };

uint64_t neft_words_checksum(const uint32_t *words, size_t count) {
    // FNV-1a on words in 32 independent lanes. Each step is a bijection of the lane's state.
    uint32_t state[lanes];
    for (int lane = 0; lane < lanes; lane++) state[lane] = 2166136261u + (uint32_t)lane;
    size_t i = 0;
    for (; i + lanes <= count; i += lanes)
        for (int lane = 0; lane < lanes; lane++) state[lane] = (state[lane] ^ words[i + lane]) * 16777619u;
    for (int lane = 0; i < count; i++, lane++) state[lane] = (state[lane] ^ words[i]) * 16777619u;
    uint64_t sum = 14695981039346656037u ^ (uint64_t)count;
    for (int lane = 0; lane < lanes; lane++) sum = (sum ^ state[lane]) * 1099511628211u;
    return sum;
}

// Two tables, so that a run of equal bytes does not wait for its own counter.
static void histogram_of(const uint8_t *bytes, size_t count, uint32_t *first, uint32_t *second) {
    size_t i = 0;
    for (; i + 2 <= count; i += 2) {
        first[bytes[i]]++;
        second[bytes[i + 1]]++;
    }
    if (i < count) first[bytes[i]]++;
}

size_t neft_sample_histogram(const uint8_t *bytes, size_t count, size_t pieces, size_t pieceBytes,
                             uint32_t *histogram) {
    uint32_t second[256] = {0};
    for (int value = 0; value < 256; value++) histogram[value] = 0;
    size_t sampled = pieces * pieceBytes;
    if (count <= sampled) {
        histogram_of(bytes, count, histogram, second);
        sampled = count;
    } else {
        for (size_t piece = 0; piece < pieces; piece++)
            histogram_of(bytes + piece * (count - pieceBytes) / (pieces - 1), pieceBytes, histogram, second);
    }
    for (int value = 0; value < 256; value++) histogram[value] += second[value];
    return sampled;
}

size_t neft_escape(uint8_t *bytes, size_t count, const uint8_t *isRare, uint8_t escape, uint8_t *exceptions) {
    size_t found = 0;
    for (size_t i = 0; i < count; i++) {
        if (!isRare[bytes[i]]) continue;
        exceptions[found++] = bytes[i];
        bytes[i] = escape;
    }
    return found;
}

size_t neft_unescape(uint8_t *bytes, size_t count, uint8_t escape, const uint8_t *exceptions, size_t available) {
    size_t found = 0;
    for (uint8_t *next = bytes; (next = memchr(next, escape, count - (size_t)(next - bytes))); next++) {
        if (found < available) *next = exceptions[found];
        found++;
    }
    return found;
}

#if defined(__x86_64__)
#pragma clang attribute pop
#endif
