// Rounding to bfloat16 for the wire, and the byte planes of 16-bit words. Words travel in 32-bit lanes between these
// loops, so that the codec has one kind of buffer.
#include "Bfloat16.h"

#include <string.h>

#if defined(__x86_64__)
// The start-up check (CPU.c) covers these.
#pragma clang attribute push(__attribute__((target("avx2,bmi2"))), apply_to = function)
#endif

static inline uint32_t bits_of(float value) {
    uint32_t bits;
    memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline float float_of(uint32_t bits) {
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

static inline uint32_t rounded(uint32_t bits) {
    uint32_t nearest = (bits + 0x7FFFu + ((bits >> 16) & 1u)) >> 16;
    uint32_t quiet = (bits >> 16) | 0x40u;
    return (bits & 0x7FFFFFFFu) > 0x7F800000u ? quiet : nearest;
}

void neft_bf16_round_with_feedback(const float *values, float *residual, uint32_t *words, size_t count) {
    for (size_t i = 0; i < count; i++) {
        float value = values[i] + residual[i];
        uint32_t word = rounded(bits_of(value));
        uint32_t lost = bits_of(value - float_of(word << 16));
        words[i] = word;
        residual[i] = float_of((lost & 0x7F800000u) == 0x7F800000u ? 0u : lost);
    }
}

void neft_bf16_round(const float *values, uint32_t *words, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, values + i, sizeof bits);
        bits = rounded(bits);
        memcpy(words + i, &bits, sizeof bits);
    }
}

void neft_bf16_widen(const uint32_t *words, float *values, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t bits;
        memcpy(&bits, words + i, sizeof bits);
        bits <<= 16;
        memcpy(values + i, &bits, sizeof bits);
    }
}

void neft_delta16_encode(const uint32_t *next, const uint32_t *base, uint32_t *out, size_t count) {
    for (size_t i = 0; i < count; i++) {
        int32_t difference = (int32_t)((next[i] - base[i]) << 16) >> 16;
        out[i] = (((uint32_t)difference << 1) ^ (uint32_t)(difference >> 31)) & 0xFFFFu;
    }
}

void neft_delta16_decode(const uint32_t *delta, const uint32_t *base, uint32_t *out, size_t count) {
    for (size_t i = 0; i < count; i++) {
        uint32_t difference = (delta[i] >> 1) ^ (0u - (delta[i] & 1u));
        out[i] = (base[i] + difference) & 0xFFFFu;
    }
}

void neft_planes16_split(const uint32_t *restrict words, size_t count, int rotate, uint8_t *restrict plane0,
                         uint8_t *restrict plane1) {
    uint32_t left = rotate ? 1 : 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t word = (words[i] << left) | (left ? words[i] >> 15 : 0);
        plane0[i] = (uint8_t)word;
        plane1[i] = (uint8_t)(word >> 8);
    }
}

void neft_planes16_merge(uint32_t *restrict words, size_t count, int rotate, const uint8_t *restrict plane0,
                         const uint8_t *restrict plane1) {
    if (rotate) {
        for (size_t i = 0; i < count; i++) {
            uint32_t word = (uint32_t)plane0[i] | (uint32_t)plane1[i] << 8;
            words[i] = (word >> 1) | ((word & 1u) << 15);
        }
    } else {
        for (size_t i = 0; i < count; i++) words[i] = (uint32_t)plane0[i] | (uint32_t)plane1[i] << 8;
    }
}

#if defined(__x86_64__)
#pragma clang attribute pop
#endif
