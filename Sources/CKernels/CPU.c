#define _GNU_SOURCE
#include "CKernels.h"

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#include <sched.h>
#include <unistd.h>

#if defined(__x86_64__)
/// Swift code is compiled for x86-64-v3, so this runs before any of it; C code, but for what asks for more by itself, is
/// not.
__attribute__((constructor)) static void require_supported_cpu(void) {
    __builtin_cpu_init();
    // Asked for one by one: older libgcc does not know the name of the level.
    unsigned a, b, c = 0, extended = 0, d;
    __get_cpuid(1, &a, &b, &c, &d);
    __get_cpuid(0x80000001, &a, &b, &extended, &d);
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("bmi") &&
        __builtin_cpu_supports("bmi2") && (c & bit_F16C) && (c & bit_MOVBE) && (extended & bit_LZCNT))
        return;
    static const char message[] =
        "neft: error: this processor: found no x86-64-v3 (AVX2, FMA, BMI2, F16C); expected an Intel processor of 2013 "
        "(Haswell) or later, or an AMD one of 2015 (Excavator) or later; use another machine\n";
    if (write(STDERR_FILENO, message, sizeof message - 1) < 0) _exit(1);
    _exit(2);
}
#endif

int neft_affinity_cpu_count(void) {
    cpu_set_t set;
    CPU_ZERO(&set);
    if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
    int count = CPU_COUNT(&set);
    return count > 0 ? count : 1;
}
