#ifndef NEFT_SHARED_COUNTER_H
#define NEFT_SHARED_COUNTER_H

#include <stdint.h>

/// A counter in memory that several processes share: what its writer stored before is seen by who reads the new value.
static inline uint64_t neft_counter_load(const uint64_t *counter) { return __atomic_load_n(counter, __ATOMIC_ACQUIRE); }
static inline void neft_counter_store(uint64_t *counter, uint64_t value) {
    __atomic_store_n(counter, value, __ATOMIC_RELEASE);
}

#endif
